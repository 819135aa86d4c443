import { askHidden } from "./ask.ts";
import { CliError } from "./errors.ts";
import { canAsk, type Terminal } from "./terminal.ts";

/** Field name → value, as a request sends it. */
export type SecretValues = Readonly<Record<string, string>>;

const longestBytes = 65_536;

/**
 * Asks for each field at a prompt that shows nothing. An argument would stay in the process list and in the shell's history.
 * Throws `CliError` where nobody can be asked.
 */
export async function askForSecret(terminal: Terminal, fields: readonly string[]): Promise<SecretValues> {
  if (!canAsk(terminal)) {
    throw new CliError("usage", "there is no terminal to ask for the secret at", {
      hint: "pipe it in with --secret-stdin, as JSON or as lines of name=value",
    });
  }
  const values: Record<string, string> = {};
  for (const field of fields) values[field] = unescapePem(await askHidden(terminal, field));
  return values;
}

/** Reads the fields from standard input. Throws `CliError`, whose text never holds what was read. */
export async function readPipedSecret({ input }: Terminal): Promise<SecretValues> {
  if (input.isTTY === true) {
    throw new CliError("usage", "--secret-stdin reads from a pipe or a file, and this is a terminal", {
      hint: "leave --secret-stdin out to be asked for the secret",
    });
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    size += bytes.byteLength;
    if (size > longestBytes) throw new CliError("usage", `the secret is longer than ${longestBytes} bytes`);
  }
  return parseSecret(Buffer.concat(chunks).toString("utf8"));
}

/** Reads a JSON object of texts, or lines of `name=value`. Throws `CliError`, which names lines and fields, never values. */
export function parseSecret(text: string): SecretValues {
  const values = text.trimStart().startsWith("{") ? parseJson(text) : parseLines(text);
  if (Object.keys(values).length === 0)
    throw new CliError("usage", "standard input holds no secret", { hint: forms });
  return values;
}

const forms = 'send {"api_key": "…", "api_secret": "…"}, or a line api_key=… for each field';

function parseJson(text: string): SecretValues {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes what it read.
    throw new CliError("usage", "the secret is not valid JSON", { hint: forms });
  }
  const entries = Object.entries(value ?? {});
  const wrong = entries.find(([, field]) => typeof field !== "string");
  if (wrong !== undefined)
    throw new CliError("usage", `the field ${wrong[0]} is not a text`, { hint: forms });
  return Object.fromEntries(entries.map(([name, field]) => [name, String(field)]));
}

function parseLines(text: string): SecretValues {
  const values: Record<string, string> = {};
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const { name, value } = /^(?<name>[a-z][a-z_]*)=(?<value>.+)$/.exec(line)?.groups ?? {};
    if (name === undefined || value === undefined) {
      throw new CliError("usage", `line ${at + 1} of the secret is not name=value`, { hint: forms });
    }
    if (Object.hasOwn(values, name)) throw new CliError("usage", `the field ${name} stands there twice`);
    if (/^(["']).*\1$/.test(value)) {
      throw new CliError("usage", `the value of ${name} stands in quotes`, {
        hint: "leave them out; where they belong to the secret, send JSON",
      });
    }
    values[name] = unescapePem(value);
  }
  return values;
}

/** A PEM key has line breaks, which neither a prompt nor a line can hold; venues hand it out with `\n` written for each. */
export function unescapePem(value: string): string {
  return value.startsWith("-----BEGIN ") ? value.replaceAll("\\n", "\n") : value;
}

const secretOption =
  /^--?((api|secret|private|access)[-_]?(key|secret)|api|secret|key|passphrase|password|token|uid)$/i;

/** Throws for an option that looks as if a secret followed it. The value is not repeated: it is in enough places already. */
export function refuseSecretOptions(argv: readonly string[]): void {
  for (const argument of argv) {
    if (argument === "--") return;
    const [option = ""] = argument.split("=");
    if (!secretOption.test(option)) continue;
    throw new CliError("usage", `secrets are not taken from arguments, so there is no ${option}`, {
      hint: "leave it out to be asked, or use --secret-stdin; a secret that you typed here is in your shell's history now",
    });
  }
}
