import { CreateAliasCommand, CreateKeyCommand, DisableKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StartError } from "../../src/errors.ts";
import { openAwsKms } from "../../src/key-encryption/aws-kms.ts";
import { findMoto, startMoto, type TestAws } from "../../testkit/moto.ts";
import { keyProviderContract } from "../contracts/key-provider-contract.ts";

const program = findMoto();

async function createKey(
  operator: KMSClient,
  options: Partial<CreateKeyCommand["input"]> = {},
): Promise<string> {
  const { KeyMetadata } = await operator.send(
    new CreateKeyCommand({ KeySpec: "SYMMETRIC_DEFAULT", KeyUsage: "ENCRYPT_DECRYPT", ...options }),
  );
  return KeyMetadata?.KeyId ?? "";
}

describe.skipIf(program === null)("with moto in the place of AWS", () => {
  keyProviderContract("aws-kms", async () => {
    const aws = await startMoto(program ?? "");
    const operator = new KMSClient(aws);
    const [first, second, other] = [
      await createKey(operator),
      await createKey(operator),
      await createKey(operator),
    ];
    const opened = await Promise.all([
      openAwsKms({ ...aws, keys: [first] }),
      openAwsKms({ ...aws, keys: [second, first] }),
      openAwsKms({ ...aws, keys: [other] }),
    ]);
    const [provider, rotated, stranger] = opened;
    return {
      provider,
      stranger,
      rotate: async () => rotated,
      async disconnect() {
        await aws.stop();
        return provider;
      },
      close: async () => {
        for (const each of opened) each.close();
        operator.destroy();
        await aws.stop();
      },
    };
  });

  describe("KMS", () => {
    let aws: TestAws;
    let operator: KMSClient;
    beforeAll(async () => {
      aws = await startMoto(program ?? "");
      operator = new KMSClient(aws);
    });
    afterAll(async () => {
      operator?.destroy();
      await aws?.stop();
    });

    const refusalOf = async (...keys: string[]): Promise<string> =>
      openAwsKms({ ...aws, keys }).then(
        () => "opened",
        (error: unknown) => (error instanceof StartError ? error.message : String(error)),
      );

    test("without a key that is named stops the start", async () => {
      expect(await refusalOf()).toContain("No key of AWS KMS is configured");
      expect(await refusalOf("alias/missing")).toContain("is not there");
      expect(await refusalOf(await createKey(operator), "alias/missing")).toContain("alias/missing");
    });

    test("with a key that is switched off, or of another kind, stops the start", async () => {
      const off = await createKey(operator);
      await operator.send(new DisableKeyCommand({ KeyId: off }));
      expect(await refusalOf(off)).toContain("is switched off");
      const signing = await createKey(operator, { KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" });
      expect(await refusalOf(signing)).toContain("not a symmetric key");
    });

    test("by an alias is known by the key behind it, which the alias may leave", async () => {
      const key = await createKey(operator);
      await operator.send(new CreateAliasCommand({ AliasName: "alias/keyhold", TargetKeyId: key }));
      const provider = await openAwsKms({ ...aws, keys: ["alias/keyhold"] });
      expect(provider.kekId).toMatch(new RegExp(`^arn:aws:kms:.*:key/${key}$`));
      provider.close();
    });

    test("at an address that is not guarded stops the start", async () => {
      const away = { ...aws, endpoint: "http://kms.example", keys: ["alias/keyhold"] };
      await expect(openAwsKms(away)).rejects.toThrow(StartError);
    });
  });
});
