import type { Command } from "commander";
import { askHidden } from "./ask-hidden.ts";
import { type Cli, collect } from "./cli.ts";
import { CliError } from "./errors.ts";
import { collectFields, fitFields, type Naming, type SecretValues } from "./fields.ts";
import { readPipedSecret } from "./secret-input.ts";
import type { Venue } from "./shapes.ts";
import { canAsk } from "./terminal.ts";

export type SecretOptions = Naming & Readonly<{ secretStdin?: true }>;

export function secretOptions(command: Command): Command {
  return namingOptions(
    command.option(
      "--secret-stdin",
      "read the secret from standard input, as JSON or as lines of name=value, and do not ask for it",
    ),
  );
}

export function namingOptions(command: Command): Command {
  return command
    .option("--field <theirs=ours>", "what a name in the source means, such as note=api_key", collectFields)
    .option("--leave-out <fields>", "what stands beside a key and does not belong to it", collect);
}

/**
 * The fields of the venue, from standard input or from a person. An argument would stay in the process list and in the shell's history.
 * Throws `CliError`.
 */
export async function askSecret(
  { terminal }: Cli,
  venue: Venue,
  { secretStdin, ...naming }: SecretOptions,
): Promise<SecretValues> {
  if (secretStdin === true) {
    const fitted = fitFields(venue, await readPipedSecret(terminal), naming, "names");
    if ("secret" in fitted) return fitted.secret;
    throw new CliError("usage", `the secret does not fit: ${fitted.problems.join("; ")}`, {
      hint: "--field note=api_key says that note is the API key",
    });
  }
  if (naming.field !== undefined || naming.leaveOut !== undefined)
    throw new CliError("usage", "--field and --leave-out go with --secret-stdin");
  if (canAsk(terminal)) return askHidden(terminal, venue.fields);
  throw new CliError("usage", "there is no terminal to ask for the secret at", {
    hint: "pipe it in with --secret-stdin, as JSON or as lines of name=value",
  });
}
