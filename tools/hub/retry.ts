export interface RetryOptions {
  /** What is being tried, for messages. */
  readonly what: string;
  readonly signal?: AbortSignal;
  readonly onRetry?: (line: string) => void;
  /** First pause; it doubles with each failure in a row. */
  readonly baseMs?: number;
}

export async function retrying<T>(
  _attempt: (progressed: () => void) => Promise<T>,
  _options: RetryOptions,
): Promise<T> {
  throw new Error("not yet");
}
