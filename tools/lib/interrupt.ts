import { V4Error } from "./errors.ts";

/** A signal that Ctrl-C (or a scheduler's SIGTERM) aborts once; the second one ends the process at once. `next`: what to do then. */
export function interruptSignal(next?: string): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () =>
      controller.abort(
        new V4Error("interrupted", {
          what: `interrupted (${name}), nothing half-written was left under a final name`,
          ...(next && { next }),
        }),
      ),
    );
  return controller.signal;
}
