/** Where the Hub and its cache are, as Python's huggingface_hub reads it from the environment. */
export interface HubSettings {
  /** Origin of the Hub, with a path where it has one, without a slash at the end. */
  readonly endpoint: string;
  readonly token?: string;
  readonly cacheFolder: string;
  readonly offline: boolean;
  readonly showProgress: boolean;
}

export function hubSettings(_env: NodeJS.ProcessEnv = process.env): HubSettings {
  throw new Error("not yet");
}
