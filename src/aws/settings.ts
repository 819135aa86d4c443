import { guardedUrl } from "../config/values.ts";
import { StartError } from "../errors.ts";

/** Where a service of AWS is, and how Keyhold proves itself to it. */
export type AwsSettings = Readonly<{
  region: string;
  /** Instead of the region's own: https, or http to this machine. */
  endpoint?: string | undefined;
  /** Instead of those of the environment, of the web identity or of the instance, in the SDK's order. */
  credentials?: Readonly<{ accessKeyId: string; secretAccessKey: string }> | undefined;
  /** Milliseconds for one call with all its attempts. */
  deadlineMs?: number | undefined;
}>;

export const defaultDeadlineMs = 5000;

/** What every client of the SDK is made with. Throws `StartError` for an endpoint that may not be used. */
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
