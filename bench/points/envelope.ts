import { randomBytes, randomUUID } from "node:crypto";
import { open, seal } from "../../src/crypto/envelope.ts";
import { generateDataKey } from "../../src/crypto/keys.ts";
import { Secret } from "../../src/crypto/secret.ts";
import { median } from "../../testkit/percentiles.ts";
import type { Figure, Section } from "../figures.ts";

/** An API key of an exchange, and a PEM key of one. */
const sizes = [64, 300];
const batches = 101;
const perBatch = 200;

/** Sealing and opening one field: key derivation, commitment, cipher, and the copies that are zeroed. */
export function measureEnvelope(): Section {
  return { title: "Envelope, one field", figures: sizes.flatMap(measureSize) };
}

function measureSize(bytes: number): readonly Figure[] {
  const key = generateDataKey();
  const context = { tenantId: randomUUID(), credentialId: randomUUID(), version: 1, field: "api_secret" };
  using plaintext = Secret.take(randomBytes(bytes));
  const sealed = seal(key, context, plaintext);
  return [
    {
      name: `seal_${bytes}_bytes_us`,
      text: `seal ${bytes} bytes, median`,
      value: medianMicroseconds(() => seal(key, context, plaintext)),
    },
    {
      name: `open_${bytes}_bytes_us`,
      text: `open ${bytes} bytes, median`,
      value: medianMicroseconds(() => open(key, context, sealed)[Symbol.dispose]()),
    },
  ];
}

/** Of batches, because a clock cannot tell single calls apart; the first are left out, while the compiler still learns. */
function medianMicroseconds(call: () => unknown): number {
  const means = Array.from({ length: batches }, () => {
    const start = performance.now();
    for (let count = 0; count < perBatch; count += 1) call();
    return ((performance.now() - start) * 1000) / perBatch;
  });
  return median(means.slice(Math.floor(batches / 5)));
}
