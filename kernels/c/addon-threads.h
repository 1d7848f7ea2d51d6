/*
 * A pool of threads that share one piece of work at a time with the caller. Included by addon.c.
 *
 * Work is a number of items, taken one after the other by whoever is free; which thread runs an item changes nothing
 * about its result. The pool belongs to the process: while one Node thread uses it, others do their work alone.
 * Threads sleep between calls, after watching a few microseconds for the next one.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>

enum { POOL_MOST = 256, POOL_WATCH = 4096 /* pauses before sleeping: some 20 microseconds */ };

static struct {
  pthread_mutex_t user; /* whoever holds it has the pool */
  pthread_mutex_t lock;
  pthread_cond_t posted, finished;
  size_t started; /* threads besides the caller */
  size_t wanted; /* of them, how many take part */
  atomic_size_t generation; /* counts pieces of work; written under `lock` */
  size_t working; /* threads that have not finished this generation; under `lock` */
  void (*run)(void *context, size_t item);
  void *context;
  size_t items;
  atomic_size_t next;
} pool = {.user = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .posted = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

static inline void pool_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void pool_take(void) {
  for (size_t item; (item = atomic_fetch_add(&pool.next, 1)) < pool.items;) pool.run(pool.context, item);
}

static void *pool_thread(void *argument) {
  const size_t number = (size_t)(uintptr_t)argument;
  size_t seen = 0;
  for (;;) {
    for (int i = 0; i < POOL_WATCH && atomic_load(&pool.generation) == seen; i++) pool_pause();
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.generation) == seen) pthread_cond_wait(&pool.posted, &pool.lock);
    seen = atomic_load(&pool.generation);
    const int mine = number < pool.wanted;
    pthread_mutex_unlock(&pool.lock);
    if (!mine) continue;
    pool_take();
    pthread_mutex_lock(&pool.lock);
    if (--pool.working == 0) pthread_cond_signal(&pool.finished);
    pthread_mutex_unlock(&pool.lock);
  }
  return NULL;
}

/* Starts threads until there are `count`; returns how many there are. */
static size_t pool_grow(size_t count) {
  if (pool.started == 0 && count > 0) {
    /* The threads run this code for as long as the process lives: it must not be unloaded with a Node thread. */
    Dl_info self;
    if (!dladdr((void *)pool_thread, &self) || !dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE)) return 0;
  }
  while (pool.started < count && pool.started < POOL_MOST) {
    pthread_t thread;
    /* A thread that starts late finds its number among the wanted only if this call still waits for it. */
    if (pthread_create(&thread, NULL, pool_thread, (void *)(uintptr_t)pool.started)) break;
    pthread_detach(thread);
    pool.started++;
  }
  return pool.started;
}

/* Runs `run` for every item below `items` on up to `threads` threads, the caller among them. */
static void parallel_for(size_t threads, size_t items, void (*run)(void *context, size_t item), void *context) {
  if (threads > items) threads = items;
  if (threads < 2 || pthread_mutex_trylock(&pool.user)) {
    for (size_t item = 0; item < items; item++) run(context, item);
    return;
  }
  const size_t helpers = pool_grow(threads - 1), wanted = helpers < threads - 1 ? helpers : threads - 1;
  pool.run = run;
  pool.context = context;
  pool.items = items;
  atomic_store(&pool.next, 0);
  pthread_mutex_lock(&pool.lock);
  pool.wanted = pool.working = wanted;
  atomic_fetch_add(&pool.generation, 1);
  pthread_cond_broadcast(&pool.posted);
  pthread_mutex_unlock(&pool.lock);
  pool_take();
  pthread_mutex_lock(&pool.lock);
  while (pool.working > 0) pthread_cond_wait(&pool.finished, &pool.lock);
  pthread_mutex_unlock(&pool.lock);
  pthread_mutex_unlock(&pool.user);
}
