import { generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

/** A self-signed certificate and its key, both PEM, made anew for each run: no key rests in the repository. */
export type Certificate = Readonly<{ certificate: string; key: string }>;

/**
 * Makes a certificate for an IPv4 address, valid for a day around now, with a new P-256 key.
 * Written out by hand because Node reads X.509 but does not make it; the structure is RFC 5280 section 4.1.
 */
export function makeCertificate(address: string): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const toSign = tbsCertificate(address, publicKey);
  const signature = sign("sha256", toSign, privateKey);
  const whole = sequence(toSign, sequence(ecdsaWithSha256), der(0x03, Buffer.of(0), signature));
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

function tbsCertificate(address: string, publicKey: KeyObject): Buffer {
  const name = sequence(der(0x31, sequence(commonName, der(0x0c, Buffer.from("keyhold test")))));
  const day = 24 * 60 * 60 * 1_000;
  return sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    sequence(ecdsaWithSha256),
    name,
    sequence(utcTime(Date.now() - day / 2), utcTime(Date.now() + day / 2)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(sequence(subjectAltName, der(0x04, sequence(ipAddress(address)))))),
  );
}

const ecdsaWithSha256 = Buffer.from("06082a8648ce3d040302", "hex");
const commonName = Buffer.from("0603550403", "hex");
const subjectAltName = Buffer.from("0603551d11", "hex");

function ipAddress(address: string): Buffer {
  return der(0x87, Buffer.from(address.split(".").map(Number)));
}

function utcTime(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replaceAll(/[-:T]/g, "").slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

/** Tag, length, value (X.690). Lengths to 65,535 suffice here. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), value]);
}
