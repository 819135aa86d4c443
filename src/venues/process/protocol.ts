import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { Secret } from "../../crypto/secret.ts";
import type { VenueSettings } from "../settings.ts";
import type { KeyFailure } from "../venue-keys.ts";
import {
  type Environment,
  type FieldName,
  fieldNames,
  type Invocation,
  type OrderLookup,
  type SecretFields,
} from "../venue.ts";
import type { Verdict } from "../verdict.ts";

/**
 * What the serving process asks of a venue process. The credential that it is about travels beside it,
 * sealed.
 */
export type Job = Readonly<{ venue: string; environment: Environment }> &
  (
    | Readonly<{ verb: "inspect" }>
    /** With a key that is made up in the form of the one that travels beside it. */
    | Readonly<{ verb: "learnRefusal" }>
    | Readonly<{ verb: "invoke"; invocation: Invocation }>
    | Readonly<{ verb: "findOrder"; order: Readonly<{ clientOrderId: string; symbol: string }> }>
    /** With the parent key and the current key. */
    | Readonly<{ verb: "createKey" | "findKey"; marker: string }>
    /** With the parent key, the current key and the key to delete. */
    | Readonly<{ verb: "revokeKey" }>
  );

export type KeyJob = Extract<Job, { verb: "createKey" | "findKey" | "revokeKey" }>;

export type KeyAnswer =
  /** `sealed`: fields for the serving process, sealed to the public key that came with the job. */
  | Readonly<{ outcome: "created" | "exists" | "found"; sealed: Uint8Array }>
  | Readonly<{ outcome: "revoked" | "absent" }>
  | KeyFailure;

export type Answer =
  | Verdict
  | OrderLookup
  /** In what form the venue refused a key that was made up; `null` where it gave no clear answer. */
  | Readonly<{ outcome: "learned"; form: string | null }>
  | KeyAnswer;

export type ToProcess =
  | Readonly<{ kind: "settings"; settings: VenueSettings }>
  /** Calls at these venues will come: their code may be loaded. */
  | Readonly<{ kind: "expect"; venues: readonly string[] }>
  /**
   * `sealed`: the credentials of the job, in its order. `replyTo`: the public key to which a new secret is
   * sealed.
   */
  | Readonly<{
      kind: "call";
      id: number;
      job: Job;
      sealed: readonly Uint8Array[];
      replyTo: Uint8Array | undefined;
    }>;

/** How often a venue process proves that its event loop turns. */
export const beatEveryMs = 250;

export type FromProcess =
  | Readonly<{ kind: "ready"; publicKey: Uint8Array }>
  /** The event loop turns. `cpuMs`: processor time of the process until now. */
  | Readonly<{ kind: "beat"; cpuMs: number }>
  /** The process works on the call. */
  | Readonly<{ kind: "begun"; id: number }>
  /** The first byte of the call may leave: the process says this before, never after. */
  | Readonly<{ kind: "sent"; id: number }>
  /** A market list is being parsed, which may take the event loop for seconds; or no longer. */
  | Readonly<{ kind: "loading"; active: boolean }>
  /** `memory`: bytes of the process's resident set, by which it is recycled. */
  | Readonly<{ kind: "answer"; id: number; answer: Answer; memory: number }>;

/**
 * How the fields of a secret travel to a venue process: sealed to that process's own X25519 key with a key
 * pair that is used once and forgotten, so that nothing left in a message buffer of the serving process can
 * be opened, not even with everything else that its memory holds. Fields that a venue made travel back the
 * same way, sealed to a key pair that the serving process makes for the one call and forgets with it.
 *
 * Layout: the ephemeral public key (SPKI, 44 bytes), the tag (16 bytes), the ciphertext.
 */
const publicKeyBytes = 44;
const tagBytes = 16;
const algorithm = "aes-256-gcm";
// A key seals one message only, so its nonce need not vary.
const nonce = new Uint8Array(12);

/** Seals `fields` to the holder of the public key. Borrows the secrets; keeps no copy of their bytes. */
export function sealFields(fields: SecretFields, recipientKey: Uint8Array): Uint8Array {
  const recipient = createPublicKey({ key: Buffer.from(recipientKey), format: "der", type: "spki" });
  const ephemeral = generateKeyPairSync("x25519");
  const ephemeralKey = publicBytes(ephemeral.publicKey);
  const key = agreeOnKey(ephemeral.privateKey, recipient, ephemeralKey, recipientKey);
  const plain = encode(fields);
  try {
    const cipher = createCipheriv(algorithm, key, nonce);
    const ciphertext = cipher.update(plain);
    cipher.final();
    const sealed = new Uint8Array(publicKeyBytes + tagBytes + ciphertext.byteLength);
    sealed.set(ephemeralKey);
    sealed.set(cipher.getAuthTag(), publicKeyBytes);
    sealed.set(ciphertext, publicKeyBytes + tagBytes);
    return sealed;
  } finally {
    plain.fill(0);
    key.fill(0);
  }
}

/** A fresh key pair of the process that is to receive secrets. */
export function createRecipient(): Readonly<{
  publicKey: Uint8Array;
  /** The plaintext fields, as the strings that venue libraries need. Throws when the message was altered. */
  open(sealed: Uint8Array): ReadonlyMap<FieldName, string>;
  /** The same without a string on the way: for the serving process. The caller owns the secrets. */
  openSecrets(sealed: Uint8Array): SecretFields;
}> {
  const own = generateKeyPairSync("x25519");
  const publicKey = publicBytes(own.publicKey);
  return {
    publicKey,
    open: (sealed) => decode(decrypt(sealed), (bytes) => bytes.toString("utf8")),
    openSecrets: (sealed) => decode(decrypt(sealed), (bytes) => Secret.take(bytes)),
  };

  function decrypt(sealed: Uint8Array): Buffer {
    const ephemeralKey = sealed.subarray(0, publicKeyBytes);
    const sender = createPublicKey({ key: Buffer.from(ephemeralKey), format: "der", type: "spki" });
    const key = agreeOnKey(own.privateKey, sender, ephemeralKey, publicKey);
    const decipher = createDecipheriv(algorithm, key, nonce);
    key.fill(0);
    decipher.setAuthTag(sealed.subarray(publicKeyBytes, publicKeyBytes + tagBytes));
    const plain = decipher.update(sealed.subarray(publicKeyBytes + tagBytes));
    decipher.final();
    return plain;
  }
}

function publicBytes(key: KeyObject): Uint8Array {
  return Uint8Array.from(key.export({ type: "spki", format: "der" }));
}

function agreeOnKey(
  privateKey: KeyObject,
  publicKey: KeyObject,
  ephemeralKey: Uint8Array,
  recipientKey: Uint8Array,
): Uint8Array {
  const shared = diffieHellman({ privateKey, publicKey });
  const info = Buffer.concat([Buffer.from("keyhold venue process 1"), ephemeralKey, recipientKey]);
  const key = new Uint8Array(hkdfSync("sha256", shared, new Uint8Array(), info, 32));
  shared.fill(0);
  return key;
}

/** Field number, length in four bytes, bytes; in an off-heap buffer of its own. */
function encode(fields: SecretFields): Uint8Array {
  let size = 0;
  for (const secret of fields.values()) size += 5 + secret.byteLength;
  const bytes = new Uint8Array(new ArrayBuffer(size));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [name, secret] of fields) {
    view.setUint8(at, fieldNames.indexOf(name));
    view.setUint32(at + 1, secret.byteLength);
    secret.expose((plain) => bytes.set(plain, at + 5));
    at += 5 + secret.byteLength;
  }
  return bytes;
}

function decode<T>(bytes: Buffer, read: (field: Buffer) => T): ReadonlyMap<FieldName, T> {
  const fields = new Map<FieldName, T>();
  for (let at = 0; at < bytes.byteLength;) {
    const name = fieldNames[bytes.readUInt8(at)];
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (name === undefined) throw new RangeError("unknown field number");
    fields.set(name, read(bytes.subarray(at + 5, end)));
    at = end;
  }
  bytes.fill(0);
  return fields;
}
