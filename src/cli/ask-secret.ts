import type { Command } from "commander";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { collectFields, fitFields, type Naming, type SecretValues, type Venue } from "./fields.ts";
import { readPipedSecret, isOpenAfter } from "./secret-input.ts";
import { collect } from "./options.ts";
import { type Key, Keyboard } from "./keyboard.ts";
import { canAsk, givenUp, type Terminal } from "./terminal.ts";

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
    .option("--leave-out <fields>", "fields to pass over, such as created_at", collect);
}

/**
 * The fields of the venue, from standard input or from a person. An argument would stay in the process list
 * and in the shell's history. Throws `CliError`.
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

/**
 * Asks for each value at a prompt that shows how many characters have arrived, and none of them. A PEM is
 * taken with all its lines, whether it is pasted or typed. Throws `CliError` when the person gives up.
 */
async function askHidden(terminal: Terminal, names: readonly string[]): Promise<SecretValues> {
  await using keyboard = new Keyboard(terminal);
  const values: Record<string, string> = {};
  for (const name of names) values[name] = await askOne(terminal, keyboard, name);
  return values;
}

async function askOne({ notes }: Terminal, keyboard: Keyboard, name: string): Promise<string> {
  let value = "";
  let remark = "";
  for (;;) {
    notes.write(`\r\u001B[K${name} (hidden): ${remark === "" ? progressOf(value) : remark}`);
    const key = await keyboard.next();
    remark = "";
    if (key.kind === "cancel") {
      notes.write("\n");
      throw givenUp();
    }
    if (key.kind === "enter" && !isOpen(value)) {
      if (value === "") {
        remark = "type a value, or press Ctrl-C to give up";
        continue;
      }
      notes.write("\n");
      return value;
    }
    value = afterKey(value, key);
    if (!isSeveralLines(value)) continue;
    remark = `${value.split("\n").length} lines were pasted, and one value is wanted: paste it alone`;
    value = "";
  }
}

function afterKey(value: string, key: Exclude<Key, { kind: "cancel" }>): string {
  switch (key.kind) {
    case "typed":
      return value + key.text;
    case "pasted":
      return (value + key.text).replace(/\n+$/, "");
    case "enter":
      return `${value}\n`;
    case "erase":
      // A character may take two units.
      return value.replace(/.$/su, "");
    case "clear":
      return "";
  }
}

function progressOf(value: string): string {
  if (value === "") return "";
  const count = `${value.length} character${value.length === 1 ? "" : "s"}`;
  return isOpen(value) ? `${count}, up to the END line` : count;
}

/**
 * Whether more lines belong to a PEM. The key follows the parameters of its curve, which OpenSSL writes
 * before it.
 */
function isOpen(value: string): boolean {
  return isOpenAfter(value, false) || value.trimEnd().endsWith("-----END EC PARAMETERS-----");
}

/** Two values that were pasted at once. Each would be taken for a part of the other. */
function isSeveralLines(value: string): boolean {
  return value.includes("\n") && !value.includes("-----BEGIN ");
}
