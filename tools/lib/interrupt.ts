import { V4Error } from "./errors.ts";

/**
 * A signal that Ctrl-C (or a scheduler's SIGTERM) aborts once; the second one ends the process at once. `left` says what
 * the command leaves behind.
 */
export function interruptSignal(left: string): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () =>
      controller.abort(
        new V4Error("interrupted", {
          what: `interrupted (${name}), ${left}`,
        }),
      ),
    );
  return controller.signal;
}
