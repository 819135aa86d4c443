import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { StartError } from "./errors.ts";

/**
 * The authorities in a PEM file, which are trusted in place of those that Node trusts. `variable` is the
 * setting with the path. Throws `StartError` when the file cannot be read or contains no certificate.
 */
export async function readAuthorities(path: string, variable: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new StartError(`The file ${path} of ${variable} cannot be read (${cause.code}).`, { cause });
  });
  if (holdsCertificate(text)) return text;
  throw new StartError(`The file ${path} of ${variable} holds no certificate in PEM.`);
}

/**
 * Reads the first certificate. Node accepts a text without one and then trusts no authority, without a
 * message.
 */
function holdsCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}
