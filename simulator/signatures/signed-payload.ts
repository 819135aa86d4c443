/**
 * For venues that sign query and body together: both as they were sent, one after the other, without the `signature`
 * itself, which may stand anywhere in either.
 */
export const signedPayload = (query: string, body: string): string =>
  withoutSignature(query) + withoutSignature(body);

const withoutSignature = (text: string): string =>
  text
    .split("&")
    .filter((part) => !part.startsWith("signature="))
    .join("&");
