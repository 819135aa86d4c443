/**
 * A serving process in small, to be looked at from outside: takes an Alpaca key and secret from standard input as
 * bytes, inspects them through the venue processes, and then does what each further line says.
 */
import { readSync, writeSync } from "node:fs";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createVenues } from "../../../../src/venues/index.ts";

const fieldBytes = 40;

/** Reads that many bytes into a buffer that is not the garbage collector's to move. */
function readBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  for (let at = 0; at < length;) at += readSync(0, bytes, at, length - at, null);
  return bytes;
}

async function inspect(url: string): Promise<void> {
  const venues = createVenues({ hosts: { alpaca: url } });
  using key = Secret.take(readBytes(fieldBytes));
  using secret = Secret.take(readBytes(fieldBytes));
  const fields = new Map([
    ["api_key", key],
    ["api_secret", secret],
  ] as const);
  for (let call = 0; call < 20; call += 1) {
    const verdict = await venues.get("alpaca")?.inspect({ tenantId: "tenant", environment: "paper", fields });
    if (verdict?.outcome !== "valid") throw new Error(`the inspection went wrong: ${verdict?.outcome}`);
  }
  await venues.close();
}

await inspect(process.argv[2] ?? "");
writeSync(1, "done\n");

// The control: the same bytes again, this time kept.
const kept = readBytes(fieldBytes);
writeSync(1, "kept\n");
readBytes(1);
kept.fill(0);
