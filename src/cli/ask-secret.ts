import type { Api } from "./api.ts";
import type { Cli } from "./cli.ts";
import { askForSecret, readPipedSecret, type SecretValues } from "./secret-input.ts";
import { findVenue } from "./venues.ts";

export const stdinOption = [
  "--secret-stdin",
  "read the secret from standard input, as JSON or as lines of name=value, and do not ask for it",
] as const;

/** The service knows which fields to ask for; what comes from standard input names its own. */
export async function askSecret(
  { terminal }: Cli,
  api: Api,
  venue: string,
  fromStdin: boolean,
): Promise<SecretValues> {
  if (fromStdin) return readPipedSecret(terminal);
  return askForSecret(terminal, findVenue((await api.venues()).items, venue).fields);
}
