import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIPv4 } from "node:net";
import { bits, contextual, der, flag, identifier, octets, sequence, utcTime } from "./der.ts";

/** A certificate and its key, both PEM. */
export type Certificate = Readonly<{ certificate: string; key: string }>;

type Wish = Readonly<{
  name: string;
  days: number;
  /** Whom the certificate stands for; an authority stands for nobody. */
  hosts: readonly string[];
  /** Who signs: another certificate, or the new key itself. */
  by?: Certificate;
}>;

/** An authority for certificates of one machine, valid for ten years. Every run makes its own: no key rests in the repository. */
export function makeAuthority(name: string): Certificate {
  return make({ name, days: 3650, hosts: [] });
}

/** A server's certificate for these host names and IPv4 addresses, valid for a year. */
export function issueCertificate(by: Certificate, name: string, hosts: readonly string[]): Certificate {
  return make({ name, days: 365, hosts, by });
}

/** A certificate that vouches for itself, valid for a day around now. */
export function makeSelfSigned(name: string, host: string): Certificate {
  return make({ name, days: 1, hosts: [host] });
}

/** Written out by hand because Node reads X.509 but does not make it; the structure is RFC 5280 section 4.1. */
function make(wish: Wish): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = wish.by === undefined ? privateKey : createPrivateKey(wish.by.key);
  const toSign = tbsCertificate(wish, publicKey, signer);
  const signature = sign("sha256", toSign, signer);
  const whole = sequence(toSign, sequence(identifier.ecdsaWithSha256), bits(signature));
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

const dayMs = 24 * 60 * 60 * 1000;

function tbsCertificate({ name, days, hosts, by }: Wish, publicKey: KeyObject, signer: KeyObject): Buffer {
  const issuer = by === undefined ? name : nameOf(by);
  return sequence(
    contextual(0, der(0x02, Buffer.of(2))),
    der(0x02, positive(randomBytes(16))),
    sequence(identifier.ecdsaWithSha256),
    distinguished(issuer),
    // The clocks of those who look at it may be behind.
    sequence(utcTime(Date.now() - dayMs / 2), utcTime(Date.now() + (days - 0.5) * dayMs)),
    distinguished(name),
    publicKey.export({ type: "spki", format: "der" }),
    contextual(3, sequence(...extensions(hosts, publicKey, createPublicKey(signer)))),
  );
}

function extensions(hosts: readonly string[], own: KeyObject, signer: KeyObject): Buffer[] {
  const isAuthority = hosts.length === 0;
  return [
    extension(identifier.basicConstraints, sequence(...(isAuthority ? [flag(true)] : [])), "critical"),
    // Bits from the left: digitalSignature is the first, keyCertSign and cRLSign the sixth and seventh.
    extension(
      identifier.keyUsage,
      isAuthority ? der(0x03, Buffer.of(1, 0x06)) : der(0x03, Buffer.of(7, 0x80)),
      "critical",
    ),
    extension(identifier.subjectKeyIdentifier, octets(fingerprint(own))),
    extension(identifier.authorityKeyIdentifier, sequence(der(0x80, fingerprint(signer)))),
    ...(isAuthority
      ? []
      : [
          extension(identifier.extendedKeyUsage, sequence(identifier.serverAuth)),
          extension(identifier.subjectAltName, sequence(...hosts.map(alternativeName))),
        ]),
  ];
}

function extension(id: Buffer, value: Buffer, critical?: "critical"): Buffer {
  return sequence(id, ...(critical === undefined ? [] : [flag(true)]), octets(value));
}

function alternativeName(host: string): Buffer {
  return isIPv4(host)
    ? der(0x87, Buffer.from(host.split(".").map(Number)))
    : der(0x82, Buffer.from(host, "latin1"));
}

function distinguished(name: string): Buffer {
  return sequence(der(0x31, sequence(identifier.commonName, der(0x0c, Buffer.from(name)))));
}

function nameOf({ certificate }: Certificate): string {
  return new X509Certificate(certificate).subject.replace(/^CN=/, "");
}

function fingerprint(key: KeyObject): Buffer {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 20);
}

/** The first bit is the sign, and the first byte must not be superfluous. */
function positive(bytes: Buffer): Buffer {
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes;
}
