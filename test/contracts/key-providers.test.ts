import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { createKeyFile } from "../../src/key-encryption/key-file.ts";
import { keyProviderContract } from "./key-provider-contract.ts";

keyProviderContract("file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-keys-"));
  const newFile = async (name: string): Promise<string> => {
    const path = join(folder, name);
    await createKeyFile(path);
    return path;
  };
  const path = await newFile("first");
  return {
    provider: await loadKeyFile(path),
    stranger: await loadKeyFile(await newFile("stranger")),
    rotate: async () => {
      const both = Buffer.concat([await readFile(await newFile("second")), await readFile(path)]);
      await writeFile(join(folder, "both"), both, { mode: 0o600 });
      return loadKeyFile(join(folder, "both"));
    },
    disconnect: null,
    close: () => rm(folder, { recursive: true }),
  };
});
