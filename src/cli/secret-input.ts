import type { Command } from "commander";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { collectFields, fitFields, type Naming, type SecretValues, type Venue } from "./fields.ts";
import { collect } from "./options.ts";
import { canAsk, givenUp, type Key, Keyboard, type Terminal } from "./terminal.ts";

const longestBytes = 65_536;

/**
 * Reads the values of a source from standard input, under the names that they have there. Throws `CliError`,
 * whose text never holds what was read.
 */
export async function readPipedSecret({ input }: Terminal): Promise<Readonly<Record<string, unknown>>> {
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
  return parseSecret(decode(Buffer.concat(chunks)));
}

/** PowerShell writes UTF-16 with a byte order mark into files; the mark goes in either encoding. */
function decode(bytes: Uint8Array): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return new TextDecoder(isUtf16 ? "utf-16le" : "utf-8").decode(bytes);
}

/**
 * Reads a JSON object, or lines of `name=value` as shells and editors write them: `export` before a name,
 * blanks round the sign, quotes round a value, lines that begin with `#`, and a PEM over several lines.
 * Throws `CliError`, which names lines and fields, never values.
 */
export function parseSecret(text: string): Readonly<Record<string, unknown>> {
  const values = text.trimStart().startsWith("{") ? parseJson(text) : parseLines(text);
  if (Object.keys(values).length === 0)
    throw new CliError("usage", "standard input holds no secret", { hint: forms });
  return values;
}

const forms = 'send {"api_key": "…", "api_secret": "…"}, or a line api_key=… for each field';

function parseJson(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes what it read.
    throw new CliError("usage", "the secret is not valid JSON", {
      hint: `${forms}; a line break inside a text is written as \\n`,
    });
  }
  const entries = Object.entries(value ?? {});
  const twice = entries.find(([name]) => timesNamed(text, name) > 1);
  if (twice !== undefined) throw isThereTwice(twice[0]);
  return Object.fromEntries(entries);
}

/**
 * The parser takes the last of two that have one name. What is inside a text has a backslash before its
 * quotes.
 */
function timesNamed(text: string, name: string): number {
  return text.split(JSON.stringify(name)).filter((rest, at) => at > 0 && /^\s*:/.test(rest)).length;
}

function parseLines(text: string): Readonly<Record<string, unknown>> {
  const values: Record<string, string> = {};
  const lines = text.split(/\r\n|\r|\n/);
  for (let at = 0; at < lines.length; at += 1) {
    const line = (lines[at] ?? "").trim();
    if (line === "" || line.startsWith("#")) continue;
    const { name, value } = fieldOf(line);
    if (name === undefined || value === undefined) {
      const hint = line.startsWith("-----BEGIN ")
        ? "put the name of its field before it, such as api_secret="
        : forms;
      throw new CliError("usage", `line ${at + 1} of the secret is not name=value`, { hint });
    }
    if (Object.hasOwn(values, name)) throw isThereTwice(name);
    const length = pemLength(value, lines.slice(at + 1));
    if (length === undefined)
      throw new CliError("usage", `the PEM that begins in line ${at + 1} has no END line`);
    values[name] = unquoted(name, [value, ...lines.slice(at + 1, at + 1 + length)].join("\n").trim());
    at += length;
  }
  return values;
}

/**
 * As `.env` files, shells and YAML write a field. What is left of the sign is a name, also where it has
 * blanks in it.
 */
function fieldOf(line: string): { name?: string; value?: string } {
  const form = /^(?:export\s+|set\s+|\$env:)?(?<name>[A-Za-z][\w. -]{0,63}?)\s*(?:=|:\s)\s*(?<value>.*)$/;
  return form.exec(line)?.groups ?? {};
}

/**
 * How many of the lines that follow belong to the PEM that `first` begins, or that begins behind it where it
 * has nothing but a sign of YAML; `undefined` where the PEM does not end. A quote that ends it may stand
 * alone.
 */
function pemLength(first: string, following: readonly string[]): number | undefined {
  if (!first.includes("-----") && !/^[|>"'-]*$/.test(first)) return 0;
  let [length, isOpen] = [0, isOpenAfter(first, false)];
  const isPart = (line = ""): boolean => /^\s*-----BEGIN /.test(line) || /^\s*["']\s*$/.test(line);
  while (isOpen || isPart(following[length])) {
    const line = following[length];
    if (line === undefined) return undefined;
    isOpen = isOpenAfter(line, isOpen);
    length += 1;
  }
  return length;
}

/** Whether a block is open behind a line. All of it may stand in one. */
function isOpenAfter(line: string, wasOpen: boolean): boolean {
  const [begin, end] = [line.lastIndexOf("-----BEGIN "), line.lastIndexOf("-----END ")];
  return begin === end ? wasOpen : begin > end;
}

/**
 * A shell reads a backslash in double quotes, and other programs read it otherwise, so what it means is not
 * guessed.
 */
function unquoted(name: string, value: string): string {
  const { quote, inner } = /^(?<quote>["'])(?<inner>.*)\k<quote>$/s.exec(value)?.groups ?? {};
  if (inner === undefined) return value;
  if (quote !== '"' || !inner.includes("\\") || inner.includes("-----BEGIN ")) return inner;
  throw new CliError("usage", `the value of ${name} is in double quotes and has a backslash in it`, {
    hint: "write it in single quotes, or send JSON",
  });
}

function isThereTwice(name: string): CliError {
  const field = /^[A-Za-z][A-Za-z_. -]{0,31}$/.test(name) ? `the field ${name}` : "a field";
  return new CliError("usage", `${field} is there twice`);
}

const secretOption =
  /^--?((api|secret|private|access)[-_]?(key|secret)|api|secret|key|passphrase|password|token|uid)$/i;

/**
 * Throws for an option that looks as if a secret followed it. The value is not repeated: it is in enough
 * places already.
 */
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
    if (key.kind === "enter" && !isPemOpen(value)) {
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
  return isPemOpen(value) ? `${count}, up to the END line` : count;
}

/**
 * Whether more lines belong to a PEM. The key follows the parameters of its curve, which OpenSSL writes
 * before it.
 */
function isPemOpen(value: string): boolean {
  return isOpenAfter(value, false) || value.trimEnd().endsWith("-----END EC PARAMETERS-----");
}

/** Two values that were pasted at once. Each would be taken for a part of the other. */
function isSeveralLines(value: string): boolean {
  return value.includes("\n") && !value.includes("-----BEGIN ");
}
