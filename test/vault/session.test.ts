import { generateKeyPairSync, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { VaultAuth } from "../../src/config/stores.ts";
import type { SecretRef } from "../../src/stores/store.ts";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient, type VaultClientOptions } from "../../src/vault/client.ts";
import {
  arranged,
  countRequests,
  createAppRole,
  loginWith,
  mountSecrets,
  secretFile,
  servicePolicy,
  settingsFor,
  textAt,
} from "../../testkit/vault-service.ts";
import { findVault, startVault, type TestVault } from "../../testkit/vault.ts";

const program = findVault();
const minuteMs = 60_000;

describe.skipIf(program === null)("Keyhold's own token", () => {
  let vault: TestVault;
  const clients: VaultClient[] = [];

  beforeAll(async () => {
    vault = await startVault(program ?? "");
    await mountSecrets(vault);
  });
  afterEach(async () => {
    vi.useRealTimers();
    for (const client of clients.splice(0)) await client.close();
  });
  afterAll(() => vault?.stop());

  function open(auth: VaultAuth, options: VaultClientOptions = {}): { ask(): Promise<string> } {
    const client = new VaultClient(settingsFor(vault, auth), options);
    clients.push(client);
    const store = createVaultStore(client);
    return { ask: async () => (await store.get(newRef())).outcome };
  }

  /** What was asked of the node while `work` ran. */
  async function countDuring(path: string, work: () => Promise<void>): Promise<number> {
    const before = await countRequests(vault, path);
    await work();
    return (await countRequests(vault, path)) - before;
  }

  async function untilRequested(path: string, times: number): Promise<void> {
    while ((await countRequests(vault, path)) < times) await sleep(20);
  }

  const logins = "auth/approle/login";
  const renewals = "auth/token/renew-self";

  test("fifty first calls at once share one login", async () => {
    const keyhold = open(await loginWith(vault, await createAppRole(vault, "burst", servicePolicy)));
    const count = await countDuring(logins, async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => keyhold.ask()));
      expect(new Set(answers)).toEqual(new Set(["absent"]));
    });
    expect(count).toBe(1);
  });

  test("is renewed when two thirds of its lease have passed, also while nobody calls", async () => {
    const clock = stopTheClock();
    const role = await createAppRole(vault, "renewed", servicePolicy, {
      token_ttl: "1h",
      token_max_ttl: "1d",
    });
    const keyhold = open(await loginWith(vault, role));
    const count = await countDuring(logins, async () => {
      expect(await keyhold.ask()).toBe("absent");
      const before = await countRequests(vault, renewals);
      clock.pass(39);
      expect(await keyhold.ask()).toBe("absent");
      expect(await countRequests(vault, renewals)).toBe(before);
      clock.pass(2);
      await untilRequested(renewals, before + 1);
      expect(await keyhold.ask()).toBe("absent");
    });
    expect(count).toBe(1);
  });

  test("that gets no whole lease any more is replaced, and no call fails", async () => {
    const clock = stopTheClock();
    const limits = (lease: string) => ({ token_ttl: lease, token_max_ttl: lease });
    const role = await createAppRole(vault, "last", servicePolicy, limits("1h"));
    const keyhold = open(await loginWith(vault, role));
    expect(await keyhold.ask()).toBe("absent");
    const before = await countRequests(vault, logins);
    await createAppRole(vault, "last", servicePolicy, limits("10m"));
    clock.pass(41);
    await untilRequested(logins, before + 1);
    expect(await keyhold.ask()).toBe("absent");
    expect(await countRequests(vault, logins)).toBe(before + 1);
  });

  test("that somebody revoked is replaced at the next call, once for all of them", async () => {
    const role = await createAppRole(vault, "lost", servicePolicy);
    const keyhold = open(await loginWith(vault, role));
    await keyhold.ask();
    await arranged(vault.arrange("POST", "sys/leases/revoke-prefix/auth/approle/login"));
    const count = await countDuring(logins, async () => {
      const answers = await Promise.all(Array.from({ length: 50 }, () => keyhold.ask()));
      expect(new Set(answers)).toEqual(new Set(["absent"]));
    });
    expect(count).toBe(1);
  });

  test("after a refused login nobody tries for a while, and then a mended secret works without a restart", async () => {
    const clock = stopTheClock();
    const role = await createAppRole(vault, "mended", servicePolicy);
    const secretIdFile = await secretFile(vault, randomUUID());
    const pauseMs = 5 * minuteMs;
    const keyhold = open({ method: "approle", roleId: role.roleId, secretIdFile }, { pauseMs });
    const count = await countDuring(logins, async () => {
      for (let call = 0; call < 20; call += 1) expect(await keyhold.ask()).toBe("denied");
      await writeFile(secretIdFile, await role.newSecretId());
      clock.pass(4);
      expect(await keyhold.ask()).toBe("denied");
    });
    expect(count).toBe(1);
    clock.pass(1);
    expect(await keyhold.ask()).toBe("absent");
  });

  test("of an agent that keeps it in a file is read again when the old one ends", async () => {
    const create = { policies: ["keyhold"], ttl: "1h" };
    await createAppRole(vault, "keyhold", servicePolicy);
    const newToken = async () =>
      textAt(await arranged(vault.arrange("POST", "auth/token/create", create)), "client_token", "auth");
    const token = await newToken();
    const tokenFile = await secretFile(vault, token);
    const keyhold = open({ method: "token", tokenFile });
    expect(await keyhold.ask()).toBe("absent");
    await writeFile(tokenFile, await newToken());
    await arranged(vault.arrange("POST", "auth/token/revoke", { token }));
    expect(await keyhold.ask()).toBe("absent");
  });

  test("comes from Kubernetes for the token of a service account, which is read at each login", async () => {
    // The engine `jwt` takes the same request as `kubernetes`, which needs a cluster to verify with.
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = publicKey.export({ type: "spki", format: "pem" });
    await createAppRole(vault, "keyhold", servicePolicy);
    await arranged(vault.arrange("POST", "sys/auth/kubernetes", { type: "jwt" }));
    await arranged(vault.arrange("POST", "auth/kubernetes/config", { jwt_validation_pubkeys: [pem] }));
    const audience = { role_type: "jwt", user_claim: "sub", bound_audiences: ["vault"] };
    await arranged(
      vault.arrange("POST", "auth/kubernetes/role/keyhold", { ...audience, token_policies: ["keyhold"] }),
    );
    const sign = (aud: string) =>
      new SignJWT({})
        .setProtectedHeader({ alg: "ES256" })
        .setSubject("system:serviceaccount:keyhold:keyhold")
        .setAudience(aud)
        .setIssuedAt()
        .setNotBefore("0s")
        .setExpirationTime("10m")
        .sign(privateKey);
    const jwtFile = await secretFile(vault, await sign("somebody else"));
    const keyhold = open({ method: "kubernetes", role: "keyhold", jwtFile }, { pauseMs: 0 });
    expect(await keyhold.ask()).toBe("denied");
    await writeFile(jwtFile, await sign("vault"));
    await sleep(20);
    expect(await keyhold.ask()).toBe("absent");
  });
});

/** Keyhold's timers wait for `pass`; the node's own clock goes on, and it tells of leases what it tells at any time. */
function stopTheClock(): { pass(minutes: number): void } {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  return { pass: (minutes) => void vi.advanceTimersByTime(minutes * minuteMs) };
}

function newRef(): SecretRef {
  return {
    tenantId: randomUUID(),
    credentialId: randomUUID(),
    venue: "kraken",
    environment: "live",
    version: 1,
  };
}
