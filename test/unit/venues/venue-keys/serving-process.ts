/**
 * A serving process in small, to be looked at from outside: takes the parent's and the current key of Gate from standard
 * input as bytes, has keys created, used and forgotten, and then does what each further line says.
 */
import { readSync, writeSync } from "node:fs";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createVenues } from "../../../../src/venues/index.ts";
import { markerOf } from "../../../../src/venues/venue-keys.ts";
import type { FieldName, SecretFields } from "../../../../src/venues/venue.ts";

const keyBytes = 32;
const secretBytes = 64;

/** Reads that many bytes into a buffer that is not the garbage collector's to move. */
function readBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  for (let at = 0; at < length;) at += readSync(0, bytes, at, length - at, null);
  return bytes;
}

function readCredential(): SecretFields {
  return new Map<FieldName, Secret>([
    ["api_key", Secret.take(readBytes(keyBytes))],
    ["api_secret", Secret.take(readBytes(secretBytes))],
  ]);
}

function forget(fields: SecretFields): void {
  for (const secret of fields.values()) secret[Symbol.dispose]();
}

async function rotate(url: string): Promise<void> {
  const venues = createVenues({ hosts: { gate: url } });
  const [parent, current] = [readCredential(), readCredential()];
  for (let rotation = 0; rotation < 5; rotation += 1) {
    const target = { tenantId: "tenant", environment: "live", parent, current } as const;
    const creation = await venues.keys("gate")?.create(target, markerOf(`rotation ${rotation}`));
    if (creation?.outcome !== "created") throw new Error(`the creation went wrong: ${creation?.outcome}`);
    const verdict = await venues
      .get("gate")
      ?.inspect({ tenantId: "tenant", environment: "live", fields: creation.fields });
    if (verdict?.outcome !== "valid") throw new Error(`the inspection went wrong: ${verdict?.outcome}`);
    forget(creation.fields);
  }
  forget(parent);
  forget(current);
  await venues.close();
}

await rotate(process.argv[2] ?? "");
writeSync(1, "done\n");

// The control: one of the secrets again, this time kept.
const kept = readBytes(secretBytes);
writeSync(1, "kept\n");
readBytes(1);
kept.fill(0);
