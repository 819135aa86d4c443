import { givenUp } from "./ask.ts";
import type { SecretValues } from "./fields.ts";
import { type Key, Keyboard } from "./keyboard.ts";
import { isOpenAfter } from "./secret-input.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Asks for each value at a prompt that shows how many characters have arrived, and none of them. A PEM is taken with all its lines,
 * whether it is pasted or typed. Throws `CliError` when the person gives up.
 */
export async function askHidden(terminal: Terminal, names: readonly string[]): Promise<SecretValues> {
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

/** Whether more lines belong to a PEM. The key follows the parameters of its curve, which OpenSSL writes before it. */
function isOpen(value: string): boolean {
  return isOpenAfter(value, false) || value.trimEnd().endsWith("-----END EC PARAMETERS-----");
}

/** Two values that were pasted at once. Each would be taken for a part of the other. */
function isSeveralLines(value: string): boolean {
  return value.includes("\n") && !value.includes("-----BEGIN ");
}
