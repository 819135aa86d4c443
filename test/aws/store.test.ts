import { randomUUID } from "node:crypto";
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SecretsManager } from "../../src/aws/client.ts";
import { createAwsStore } from "../../src/stores/aws.ts";
import type { SecretRef } from "../../src/stores/store.ts";
import { findMoto, startMoto, type TestAws } from "../../testkit/moto.ts";
import { sealedFields, storeContract } from "../contracts/store-contract.ts";

const program = findMoto();

describe.skipIf(program === null)("with moto in the place of AWS", () => {
  storeContract("aws", { writes: true }, async () => {
    const aws = await startMoto(program ?? "");
    const manager = new SecretsManager(aws);
    const operator = new SecretsManagerClient(aws);
    const store = createAwsStore(manager);
    return {
      store,
      tenantId: randomUUID(),
      plantForeign: async (ref) => {
        await operator.send(new CreateSecretCommand({ Name: nameOf(ref), SecretString: "plain text" }));
      },
      async disconnect() {
        await aws.stop();
        return store;
      },
      close: async () => {
        await manager.close();
        operator.destroy();
        await aws.stop();
      },
    };
  });

  describe("and an operator beside Keyhold", () => {
    let aws: TestAws;
    let operator: SecretsManagerClient;
    let manager: SecretsManager;
    beforeAll(async () => {
      aws = await startMoto(program ?? "");
      operator = new SecretsManagerClient(aws);
      manager = new SecretsManager(aws);
    });
    afterAll(async () => {
      operator?.destroy();
      await manager?.close();
      await aws?.stop();
    });

    test("a version that was deleted with a time to recover it in is absent, and its number stays taken", async () => {
      const store = createAwsStore(manager);
      const ref = newRef();
      await store.put(ref, sealedFields(ref));
      await operator.send(new DeleteSecretCommand({ SecretId: nameOf(ref), RecoveryWindowInDays: 7 }));
      expect(await store.get(ref)).toEqual({ outcome: "absent" });
      expect(await store.put(ref, sealedFields(ref))).toEqual({ outcome: "conflict" });
    });

    test("names begin as the operator says", async () => {
      const ref = newRef();
      await createAwsStore(manager, { prefix: "desk-7" }).put(ref, sealedFields(ref));
      expect((await createAwsStore(manager, { prefix: "desk-7" }).get(ref)).outcome).toBe("found");
      expect((await createAwsStore(manager).get(ref)).outcome).toBe("absent");
    });
  });
});

function newRef(): SecretRef {
  return {
    tenantId: randomUUID(),
    credentialId: randomUUID(),
    venue: "okx",
    environment: "live",
    version: 1,
  };
}

function nameOf({ tenantId, venue, environment, credentialId, version }: SecretRef): string {
  return `keyhold/tenants/${tenantId}/exchanges/${venue}/${environment}/${credentialId}/${version}`;
}
