import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SecretsManager } from "../../../src/aws/client.ts";
import { StartError } from "../../../src/errors.ts";
import { createAwsStore } from "../../../src/stores/aws.ts";
import type { SecretRef, Store } from "../../../src/stores/store.ts";
import { sealedFields } from "../../contracts/store-contract.ts";
import { type FakeNode, startFakeNode } from "../vault/fake-node.ts";

const credentials = { accessKeyId: "of-a-test", secretAccessKey: "of-a-test" };
const ref: SecretRef = {
  tenantId: randomUUID(),
  credentialId: randomUUID(),
  venue: "okx",
  environment: "live",
  version: 1,
};

let aws: FakeNode;
let manager: SecretsManager;
let store: Store;

beforeEach(async () => {
  aws = await startFakeNode();
  manager = new SecretsManager({
    region: "eu-central-1",
    endpoint: aws.address,
    credentials,
    deadlineMs: 10_000,
  });
  store = createAwsStore(manager);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await manager.close();
  await aws.close();
});

/** As the service words an error: its name in the body, its message beside it. */
function refuse(status: number, name: string, message = "a message that quotes the request"): void {
  aws.reply(() => ({ status, body: { __type: name, message, Message: message } }));
}

test.each([
  [400, "AccessDeniedException", "denied", "policy"],
  [400, "DecryptionFailure", "denied", "policy"],
  [400, "UnrecognizedClientException", "denied", "token"],
  [400, "ExpiredTokenException", "denied", "token"],
  [403, "InvalidSignatureException", "denied", "token"],
  [400, "InvalidParameterException", "denied", "invalid"],
  [500, "InternalServiceError", "unavailable", "failing"],
  [503, "ServiceUnavailable", "unavailable", "failing"],
])("%i %s is %s: %s, whatever is asked", async (status, name, outcome, reason) => {
  refuse(status, name);
  const answer = { outcome, reason };
  expect(await store.get(ref)).toEqual(answer);
  expect(await store.put(ref, sealedFields(ref))).toEqual(answer);
  expect(await store.destroy(ref)).toEqual(answer);
  expect(await store.health()).toEqual(answer);
});

test.each([
  [400, "LimitExceededException", "denied", "invalid"],
  [400, "ThrottlingException", "unavailable", "overloaded"],
  [429, "TooManyRequestsException", "unavailable", "overloaded"],
])("%i %s is %s: %s, once the SDK has tried again", async (status, name, outcome, reason) => {
  refuse(status, name);
  expect(await store.get(ref)).toEqual({ outcome, reason });
  expect(aws.received.length).toBeGreaterThan(1);
});

test("a secret that is not there is absent, is destroyed already, and shows that reading is allowed", async () => {
  refuse(400, "ResourceNotFoundException");
  expect(await store.get(ref)).toEqual({ outcome: "absent" });
  expect(await store.destroy(ref)).toEqual({ outcome: "destroyed" });
  expect(await store.health()).toEqual({ outcome: "healthy" });
});

test.each([
  "You can't perform this operation on the secret because it was marked for deletion.",
  "You can't create this secret because a secret with this name is already scheduled for deletion.",
])("somebody deleted it: %s", async (message) => {
  refuse(400, "InvalidRequestException", message);
  expect(await store.get(ref)).toEqual({ outcome: "absent" });
  expect(await store.put(ref, sealedFields(ref))).toEqual({ outcome: "conflict" });
  expect(await store.destroy(ref)).toEqual({ outcome: "denied", reason: "invalid" });
});

test("a service that says nothing is a time-out, and none at all is unreachable", async () => {
  aws.reply(() => null);
  const hasty = new SecretsManager({
    region: "eu-central-1",
    endpoint: aws.address,
    credentials,
    deadlineMs: 100,
  });
  expect(await createAwsStore(hasty).get(ref)).toEqual({ outcome: "unavailable", reason: "timeout" });
  await hasty.close();
  await aws.close();
  expect(await store.get(ref)).toEqual({ outcome: "unavailable", reason: "unreachable" });
});

test("where nothing gives Keyhold credentials, the service is not asked", async () => {
  for (const name of ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"])
    vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  const nobody = new SecretsManager({ region: "eu-central-1", endpoint: aws.address });
  expect(await createAwsStore(nobody).get(ref)).toEqual({ outcome: "denied", reason: "login" });
  expect(aws.received).toHaveLength(0);
  await nobody.close();
});

test("an answer that is a page says nothing about the secret", async () => {
  aws.reply(() => ({ status: 200, body: "<html></html>" }));
  expect((await store.get(ref)).outcome).toBe("unavailable");
});

test("after five calls without an answer the service is left alone", async () => {
  refuse(500, "InternalServiceError");
  for (let call = 0; call < 5; call += 1) await store.get(ref);
  const before = aws.received.length;
  expect(await store.get(ref)).toEqual({ outcome: "unavailable", reason: "circuit_open" });
  expect(aws.received).toHaveLength(before);
});

test("the sealed bytes travel as they are, signed, and with the key of KMS where one is set", async () => {
  aws.reply(() => ({ status: 200, body: {} }));
  const fields = sealedFields(ref);
  await createAwsStore(manager, { kmsKeyId: "alias/keyhold" }).put(ref, fields);
  const { headers, body } = aws.received[0] ?? {};
  expect(headers?.["authorization"]).toContain("of-a-test/");
  expect(JSON.parse(body ?? "{}")).toMatchObject({
    KmsKeyId: "alias/keyhold",
    SecretBinary: expect.stringMatching(/^S0hSQ/),
  });
});

test.each(["http://secretsmanager.example", "ftp://127.0.0.1", "nowhere"])(
  "the endpoint %s is refused",
  (endpoint) => {
    expect(() => new SecretsManager({ region: "eu-central-1", endpoint })).toThrow(StartError);
  },
);
