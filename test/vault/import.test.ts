import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fault } from "../../simulator/faults.ts";
import type { CliWorld } from "../../testkit/cli-world.ts";
import { encodings, leaksIn } from "../../testkit/leaks.ts";
import { createImportWorld, type ImportWorld, type Opened, pathOf } from "../../testkit/vault-import.ts";
import { arranged } from "../../testkit/vault-service.ts";
import { findVault, type TestVault } from "../../testkit/vault.ts";

const program = findVault();

describe.skipIf(program === null)("keys that another program keeps in Vault", () => {
  let imports: ImportWorld;
  let vault: TestVault;
  let world: CliWorld;
  beforeAll(async () => {
    imports = await createImportWorld(program ?? "");
    ({ vault, world } = imports);
  });
  afterAll(() => imports?.close());

  const registeredIn = async (opened: Opened): Promise<string> =>
    world.shell.transcript(opened.bob, `credential list --account ${opened.account}`);

  test("are registered, each after its venue was asked, by a reader with the policy of the guide", async () => {
    const opened = await world.openTenant();
    const { tenant, account, bob } = opened;
    await imports.plant(tenant, "binance", imports.newKey("binance"));
    await imports.plant(tenant, "okx", imports.newKey("okx"));
    const shell = await imports.readerOf(tenant);
    const command = `import vault --account ${account} --allow read,trade`;
    expect(await shell.transcript(bob, command)).toBe(
      text(
        "EXCHANGE  VENUE  OUTCOME  CREDENTIAL  REASON",
        "binance  binance  imported  ID  –",
        "okx  okx  imported  ID  –",
        "Importing: 1 of 2",
        "2 imported",
        "What was imported is still there, too. Once you have seen that it works, remove it there:",
        "  vault kv metadata delete -mount=secret tenants/T/exchanges/binance/credentials",
        "  vault kv metadata delete -mount=secret tenants/T/exchanges/okx/credentials",
      ),
    );
    expect(await registeredIn(opened)).toBe(
      text(
        "ID  VENUE  ENVIRONMENT  LABEL  STATUS  MAY  HEALTH",
        "ID  okx  live  default  active  read, trade, transfer  healthy",
        "ID  binance  live  default  active  read, trade  healthy",
      ),
    );
    // What stands in the credentials is what stood in Vault.
    const id = await world.shell.field(bob, `credential list --venue okx`, "id");
    expect(await world.shell.transcript(bob, `invoke ${id} fetchBalance`)).toContain('"total"');
  });

  test("that are there already are not even read, however often the command is run", async () => {
    const opened = await world.openTenant();
    const { tenant, account, bob } = opened;
    await imports.plant(tenant, "binance", imports.newKey("binance"));
    const shell = await imports.readerOf(tenant);
    expect(await shell.run(bob, ["import", "vault", "--account", account])).toMatchObject({ code: 0 });
    const before = await registeredIn(opened);
    await imports.plant(tenant, "okx", imports.newKey("okx"));
    expect(await shell.transcript(bob, `import vault --account ${account}`)).toBe(
      text(
        "EXCHANGE  VENUE  OUTCOME  CREDENTIAL  REASON",
        "binance  binance  there already  ID  –",
        "okx  okx  imported  ID  –",
        "Importing: 1 of 2",
        "1 imported, 1 there already",
        "What was imported is still there, too. Once you have seen that it works, remove it there:",
        "  vault kv metadata delete -mount=secret tenants/T/exchanges/okx/credentials",
        "An earlier run may have imported this, or it is another key. Compare the two before you remove it there:",
        "  vault kv metadata delete -mount=secret tenants/T/exchanges/binance/credentials",
      ),
    );
    expect(await registeredIn(opened)).toContain(before.split("\n").at(-1));
    expect(await imports.readsOf(tenant, "binance")).toBe(1);
    expect(await imports.readsOf(tenant, "okx")).toBe(1);
  });

  test("are removed by the command that is told, and go on working in Keyhold", async () => {
    const { tenant, account, bob } = await world.openTenant();
    await imports.plant(tenant, "binance", imports.newKey("binance"));
    const shell = await imports.readerOf(tenant);
    const { notes } = await shell.run(bob, ["import", "vault", "--account", account]);
    const [, ...argv] = (/^ {2}(vault .*)$/m.exec(notes)?.[1] ?? "").split(" ");
    const removed = spawnSync(program ?? "", argv, {
      env: {
        VAULT_ADDR: vault.address,
        VAULT_CACERT: join(vault.folder, "tls.pem"),
        VAULT_TOKEN: vault.rootToken,
        HOME: vault.folder,
      },
    });
    expect(removed.stderr.toString()).toBe("");
    expect((await vault.arrange("GET", `secret/metadata/${pathOf(tenant, "binance")}`)).status).toBe(404);
    const id = await world.shell.field(bob, `credential list --account ${account}`, "id");
    expect(await world.shell.transcript(bob, `credential validate ${id}`)).toContain("valid  yes");
  });

  test("that cannot be imported are told apart, and keep nobody else back", async () => {
    const opened = await world.openTenant();
    const { tenant, account, bob } = opened;
    const withdrawing = world.simulator.control.addKey("gate", { permissions: { withdraw: true } });
    const revoked = imports.newKey("kraken");
    world.simulator.control.revokeKey("kraken", revoked.api_key);
    world.simulator.control.fail("kucoin", fault.status(503));
    await imports.plant(tenant, "binance", imports.newKey("binance"));
    await imports.plant(tenant, "gateio", { apiKey: withdrawing.apiKey, secret: withdrawing.apiSecret });
    await imports.plant(tenant, "kraken", revoked);
    await imports.plant(tenant, "kucoin", imports.newKey("kucoin"));
    await imports.plant(tenant, "mtgox", { api_key: "a key of long ago", api_secret: "its secret" });
    const shell = await imports.readerOf(tenant);
    const command = `import vault --account ${account}`;
    expect(await shell.transcript(bob, command)).toBe(
      text(
        "EXCHANGE  VENUE  OUTCOME  CREDENTIAL  REASON",
        "binance  binance  imported  ID  –",
        "gateio  gate  refused  –  The key may withdraw. Make a key without it at the venue; a leaked key must not be able to empty the account.",
        "kraken  kraken  refused  –  Kraken: the API key is invalid or unauthorized. It said: EAPI:Invalid key. If it is a key of Kraken Futures (krakenfutures), register it there. Nothing was stored.",
        "kucoin  kucoin  to try again  –  KuCoin: the venue is not available. It said: simulated failure (HTTP 503). Nothing was stored; try again later.",
        "mtgox  –  skipped  –  Keyhold knows no venue of this name.",
        "Importing: 1 of 5",
        "Importing: 2 of 5",
        "Importing: 3 of 5",
        "Importing: 4 of 5",
        "1 imported, 1 skipped, 2 refused, 1 to try again",
        "What was imported is still there, too. Once you have seen that it works, remove it there:",
        "  vault kv metadata delete -mount=secret tenants/T/exchanges/binance/credentials",
        "keyhold: 4 of 5 could not be imported",
        "hint: see the reasons, and run the same command again: what is there already stays as it is",
        "[exit 3]",
      ),
    );
    world.simulator.control.clearFaults("kucoin");
    expect(await shell.transcript(bob, command)).toMatch(
      /\nkucoin {2}kucoin {2}imported {2}ID {2}–\n[^]*\n1 imported, 1 there already, 1 skipped, 2 refused\n[^]*\[exit 1\]$/,
    );
    expect(await registeredIn(opened)).toBe(
      text(
        "ID  VENUE  ENVIRONMENT  LABEL  STATUS  MAY  HEALTH",
        "ID  kucoin  live  default  active  read, trade  healthy",
        "ID  binance  live  default  active  read, trade  healthy",
      ),
    );
    expect(await imports.readsOf(tenant, "mtgox")).toBe(0);
  });

  test("of another tenant are not read: neither by the policy, nor by this command where a policy would allow it", async () => {
    const [mine, theirs] = [await world.openTenant(), await world.openTenant()];
    await imports.plant(mine.tenant, "binance", imports.newKey("binance"));
    await imports.plant(theirs.tenant, "kraken", imports.newKey("kraken"));
    const reader = await imports.readerOf(mine.tenant);
    const ofTheirs = `import vault --account ${mine.account} --source-tenant ${theirs.tenant}`;
    expect(await reader.transcript(mine.bob, ofTheirs)).toMatch(
      /^keyhold: Vault does not give .*\n {2}The store's policy does not let .*\nhint: .*\n\[exit 1\]$/,
    );
    expect(await reader.transcript(mine.bob, `${ofTheirs} --exchange kraken`)).toContain(
      "kraken  kraken  refused  –  The store's policy does not let Keyhold do this",
    );
    const denied = await imports.readsOf(theirs.tenant, "kraken");
    const root = await imports.asRoot();
    for (const name of ["..", ".", "../..", "%2e%2e", `x/../../${theirs.tenant}`, "kraken?version=1", ""]) {
      for (const option of ["--source-tenant", "--exchange"]) {
        const argv = ["import", "vault", "--account", mine.account, option, name];
        expect(await root.run(mine.bob, argv)).toMatchObject({ code: 2, output: "" });
      }
    }
    await root.transcript(mine.bob, `import vault --account ${mine.account}`);
    expect(await imports.readsOf(theirs.tenant, "kraken")).toBe(denied);
    // The control: the log would have told.
    await root.transcript(theirs.bob, `import vault --account ${theirs.account}`);
    expect(await imports.readsOf(theirs.tenant, "kraken")).toBe(denied + 1);
    expect(await imports.readsOf(mine.tenant, "binance")).toBe(1);
  });

  test("are compared by a dry run, which writes nothing anywhere", async () => {
    const opened = await world.openTenant();
    const { tenant, account, alice, bob } = opened;
    await imports.plant(tenant, "binance", imports.newKey("binance"));
    await imports.plant(tenant, "kraken", { ...imports.newKey("kraken"), created_at: "2019-01-01" });
    const shell = await imports.readerOf(tenant);
    const record = () => world.shell.transcript(alice, "audit list --limit 1");
    const before = await record();
    world.simulator.control.clearRequests();
    expect(await shell.transcript(bob, `import vault --account ${account} --dry-run`)).toBe(
      text(
        "EXCHANGE  VENUE  OUTCOME  CREDENTIAL  REASON",
        "binance  binance  would be imported  –  –",
        "kraken  kraken  refused  –  The fields do not fit: created_at is not known (--leave-out passes over it); Kraken has api_key (also called key, key_id, api_key_id, access_key, access_key_id, client_id), api_secret (also called secret, secret_key, api_secret_key, api_private_key, access_secret, access_key_secret, secret_access_key, client_secret, private_key, wallet_private_key).",
        "Comparing: 1 of 2",
        "1 would be imported, 1 refused",
        "keyhold: 1 of 2 could not be imported",
        "hint: see the reasons, and run the same command again: what is there already stays as it is",
        "[exit 1]",
      ),
    );
    expect(
      await shell.transcript(bob, `import vault --account ${account} --dry-run --leave-out created_at`),
    ).toMatch(/\nkraken {2}kraken {2}would be imported {2}– {2}–\n/);
    expect(await registeredIn(opened)).toBe("none");
    expect(await record()).toBe(before);
    expect(world.simulator.control.countRequests()).toBe(0);
    // The control: without --dry-run all of these change.
    await shell.transcript(bob, `import vault --account ${account} --leave-out created_at`);
    expect(await registeredIn(opened)).not.toBe("none");
    expect(await record()).not.toBe(before);
    expect(world.simulator.control.countRequests()).toBeGreaterThan(0);
  });

  test("whose version has ended, or that are not there, are skipped with a reason", async () => {
    const { tenant, account, bob } = await world.openTenant();
    for (const exchange of ["binance", "kraken", "okx"]) {
      await imports.plant(tenant, exchange, imports.newKey("binance"));
      await imports.plant(tenant, exchange, imports.newKey("binance"));
    }
    const end = (how: string, exchange: string) =>
      arranged(vault.arrange("POST", `secret/${how}/${pathOf(tenant, exchange)}`, { versions: [2] }));
    await end("delete", "kraken");
    await end("destroy", "okx");
    // A name that is no part of a path, and Keyhold's own sealed secrets, which may stand below the same names.
    await imports.plant(tenant, "%2e%2e%3fversion=1", { api_key: "x" });
    await arranged(
      vault.arrange("POST", `secret/data/tenants/${tenant}/exchanges/gate/live/some-id`, {
        data: { a: "b" },
      }),
    );
    const shell = await imports.readerOf(tenant);
    expect(await shell.transcript(bob, `import vault --account ${account}`)).toMatch(
      new RegExp(
        text(
          "\\.\\.\\?version=1 {2}– {2}skipped {2}– {2}Keyhold knows no venue of this name\\.",
          "binance {2}binance {2}imported {2}ID {2}–",
          "gate {2}gate {2}skipped {2}– {2}There is nothing at this path\\.",
          "kraken {2}kraken {2}skipped {2}– {2}Its newest version, 2, is deleted: `vault kv undelete` brings it back\\.",
          "okx {2}okx {2}skipped {2}– {2}Its newest version, 2, is destroyed for good\\.",
        ),
      ),
    );
  });

  test("are told to programs item by item", async () => {
    const { tenant, account, bob } = await world.openTenant();
    await imports.plant(tenant, "binance", imports.newKey("binance"));
    await imports.plant(tenant, "mtgox", { api_key: "x" });
    const shell = await imports.readerOf(tenant);
    const ran = await shell.run(bob, ["import", "vault", "--account", account, "--json"]);
    expect(ran.code).toBe(1);
    const path = (exchange: string): string => `secret/${pathOf(tenant, exchange)}`;
    const reason = "Keyhold knows no venue of this name.";
    expect(JSON.parse(ran.output)).toEqual({
      items: [
        {
          exchange: "binance",
          venue: "binance",
          path: path("binance"),
          outcome: "imported",
          credential_id: await world.shell.field(bob, `credential list --account ${account}`, "id"),
          reason: null,
        },
        {
          exchange: "mtgox",
          venue: null,
          path: path("mtgox"),
          outcome: "skipped",
          credential_id: null,
          reason,
        },
      ],
      next_cursor: null,
      count: 2,
    });
  });

  test("and no value of any of them was printed", () => {
    const [printed, secrets] = [imports.printed(), imports.secrets()];
    expect(secrets.length).toBeGreaterThan(20);
    expect(leaksIn(printed, secrets)).toEqual([]);
    // The control: each form of each would have been found.
    for (const secret of secrets) {
      const leaking = Buffer.concat([printed, ...Object.values(encodings).map((encode) => encode(secret))]);
      expect(leaksIn(leaking, [secret])).toHaveLength(Object.keys(encodings).length);
    }
  });
});

function text(...lines: readonly string[]): string {
  return lines.join("\n");
}
