import { equal } from "./equal.ts";

/** Alpaca signs nothing: the secret itself travels in a header. Source: docs.alpaca.markets, "Authentication". */
export const verifyAlpaca = (secretHeader: string, secret: string): boolean => equal(secretHeader, secret);
