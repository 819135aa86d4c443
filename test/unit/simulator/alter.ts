import type { Sent } from "./client.ts";

/** Changes one part of a signed request and leaves every other byte as it was. */
export type Alteration = (sent: Sent) => Sent;

type Change = (text: string) => string;

/** Changes the first match; throws when nothing changes, so that no test passes for want of an alteration. */
function changed(text: string, pattern: string | RegExp, change: Change): string {
  const altered = text.replace(pattern, (match) => change(match));
  if (altered === text) throw new Error(`nothing altered: ${String(pattern)}`);
  return altered;
}

export const method =
  (name: string): Alteration =>
  (sent) => ({ ...sent, method: name });

export const url =
  (pattern: string | RegExp, change: Change): Alteration =>
  (sent) => ({ ...sent, url: changed(sent.url, pattern, change) });

export const body =
  (pattern: string | RegExp, change: Change): Alteration =>
  (sent) => ({ ...sent, body: changed(sent.body ?? "", pattern, change) });

export const header =
  (name: string, change: Change): Alteration =>
  (sent) => {
    const [key, value] = Object.entries(sent.headers).find(([key]) => key.toLowerCase() === name) ?? [];
    if (key === undefined || value === undefined) throw new Error(`no header ${name}`);
    return { ...sent, headers: { ...sent.headers, [key]: changed(value, value, change) } };
  };

export const to =
  (value: string): Change =>
  () =>
    value;

/** The last digit one up: a time or a quantity that is as plausible as the one before. */
export const nextDigit: Change = (text) =>
  text.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10));

const flipIn = (bytes: Buffer): Buffer => {
  const at = bytes.length >> 1;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
};

export const flipHexBit: Change = (text) => flipIn(Buffer.from(text, "hex")).toString("hex");
export const flipBase64Bit: Change = (text) => flipIn(Buffer.from(text, "base64")).toString("base64");
