import { type Certificate, makeSelfSigned } from "./cluster/certificates.ts";

export type { Certificate };

/** A certificate for an IPv4 address that vouches for itself, made anew for each run: no key rests in the repository. */
export function makeCertificate(address: string): Certificate {
  return makeSelfSigned("keyhold test", address);
}
