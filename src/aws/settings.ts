import { guardedUrl } from "../config/values.ts";
import { StartError } from "../errors.ts";

/** The region of AWS, and how Keyhold proves itself there. */
export type AwsSettings = Readonly<{
  region: string;
  /** In place of the endpoint of the region: https, or http to this machine. */
  endpoint?: string | undefined;
  /** In place of those that the SDK finds: of the environment, the web identity or the instance. */
  credentials?: Readonly<{ accessKeyId: string; secretAccessKey: string }> | undefined;
  /** Milliseconds for one call with all its attempts. */
  deadlineMs?: number | undefined;
}>;

export const defaultDeadlineMs = 5000;

/** The options of each client of the SDK. Throws `StartError` for an endpoint that may not be used. */
export function clientOptions({ region, endpoint, credentials }: AwsSettings) {
  if (endpoint !== undefined && !guardedUrl.safeParse(endpoint).success) {
    throw new StartError("The endpoint of AWS must be an https URL, or an http URL of this machine.");
  }
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    requestHandler: { connectionTimeout: 1500, requestTimeout: 3000, throwOnRequestTimeout: true },
  };
}
