import { open, readFile } from "node:fs/promises";

/** The forms in which plaintext may come to light. */
export const encodings: Readonly<Record<string, (text: string) => Buffer>> = {
  raw: (text) => Buffer.from(text),
  base64: (text) => Buffer.from(unpadded(Buffer.from(text).toString("base64"))),
  base64url: (text) => Buffer.from(Buffer.from(text).toString("base64url")),
  hex: (text) => Buffer.from(Buffer.from(text).toString("hex")),
  url: (text) => Buffer.from(encodeURIComponent(text)),
  json: (text) => Buffer.from(JSON.stringify(text).slice(1, -1)),
  utf16: (text) => Buffer.from(text, "utf16le"),
};

function unpadded(text: string): string {
  return text.replace(/=+$/, "");
}

/** Names of the encodings in which a secret stands in a surface. Never the secret: a failing test must not print it. */
export function leaksIn(surface: Buffer, secrets: readonly string[]): string[] {
  return Object.entries(encodings)
    .filter(([, encode]) => secrets.some((secret) => surface.includes(encode(secret))))
    .map(([name]) => name);
}

/** How often `needle` stands in the memory of a process (Linux). */
export async function countInMemory(pid: number, needle: string): Promise<number> {
  const bytes = Buffer.from(needle);
  await using memory = await open(`/proc/${pid}/mem`, "r");
  let count = 0;
  for (const line of (await readFile(`/proc/${pid}/maps`, "utf8")).split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (range === null) continue;
    const [from, to] = [Number.parseInt(range[1] ?? "", 16), Number.parseInt(range[2] ?? "", 16)];
    count += countIn(await readRange(memory, from, to), bytes);
  }
  return count;
}

const pieceBytes = 16 * 1024 * 1024;

async function readRange(
  memory: Awaited<ReturnType<typeof open>>,
  from: number,
  to: number,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let at = from; at < to; at += pieceBytes) {
    const piece = Buffer.alloc(Math.min(pieceBytes, to - at));
    // Pages that are reserved and were never touched cannot be read.
    const { bytesRead } = await memory.read(piece, 0, piece.byteLength, at).catch(() => ({ bytesRead: 0 }));
    pieces.push(piece.subarray(0, bytesRead));
  }
  return Buffer.concat(pieces);
}

function countIn(haystack: Buffer, needle: Buffer): number {
  let count = 0;
  for (let at = haystack.indexOf(needle); at !== -1; at = haystack.indexOf(needle, at + 1)) count += 1;
  return count;
}
