import { CliError } from "./errors.ts";

/** Longer than any event or link can be. */
const longestLineBytes = 16 * 1024 * 1024;
const lineFeed = 0x0a;

/**
 * The lines of a stream as the chain of the record sees them: a line feed ends a line and nothing else does. (Readers of text
 * also break lines at U+2028, which may stand raw inside JSON.) Bytes that are not UTF-8 make an empty line, so that
 * verification stops there rather than at a look-alike. Throws `CliError` for a line that no record has.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, from)) {
      yield decode([...parts, chunk.subarray(from, end)]);
      parts = [];
      size = 0;
      from = end + 1;
    }
    parts.push(chunk.subarray(from));
    size += chunk.byteLength - from;
    if (size > longestLineBytes)
      throw new CliError("refused", "a line of the export is longer than any of a record");
  }
  if (size > 0) yield decode(parts);
}

function decode(parts: readonly Uint8Array[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch {
    return "";
  }
}
