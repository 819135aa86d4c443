import { KeyholdError } from "../errors.ts";
import type { KeyProvider } from "./key-provider.ts";

/**
 * One provider that wraps, and earlier ones that still unwrap: for an installation that moves, for example
 * from a key file to AWS KMS.
 */
export function successive(newest: KeyProvider, ...earlier: readonly KeyProvider[]): KeyProvider {
  if (earlier.length === 0) return newest;
  const providers = [newest, ...earlier];
  const find = async (kekId: string): Promise<KeyProvider | undefined> => {
    for (const provider of providers) if (await provider.knows(kekId)) return provider;
    return undefined;
  };
  return {
    kind: newest.kind,
    get kekId() {
      return newest.kekId;
    },
    knows: async (kekId) => (await find(kekId)) !== undefined,
    wrap: (dataKey, context) => newest.wrap(dataKey, context),
    async unwrap(wrapped, context) {
      const provider = await find(wrapped.kekId);
      if (provider !== undefined) return provider.unwrap(wrapped, context);
      throw new KeyholdError(
        "key_unavailable",
        `No configured provider has the key-encryption key ${wrapped.kekId}. Name the one that has it.`,
      );
    },
  };
}
