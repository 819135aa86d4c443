import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asJson, asLines, type CliWorld, createCliWorld, secretsTyped } from "../../testkit/cli-world.ts";

let world: CliWorld;
let shell: CliWorld["shell"];
let operator: string;
/** What `reveal` printed. */
let revealed = "";

beforeAll(async () => {
  world = await createCliWorld();
  ({ shell, operator } = world);
});
afterAll(() => world.close());

const text = (...lines: readonly string[]): string => lines.join("\n");

describe("tenants, members and accounts", () => {
  test("are opened and shown", async () => {
    expect(await shell.transcript(operator, "tenant create 'Acme Capital' --owner alice")).toBe(
      text("tenant  ID", "name  Acme Capital", "owner  ID"),
    );
    const { tenant, alice, bob } = await world.openTenant();
    shell.name(tenant, "T");
    expect(await shell.transcript(operator, `tenant show ${tenant}`)).toBe(
      text(
        "id  T",
        "name  Northwind",
        "status  active",
        "frozen  no",
        "policy  allow_withdraw=false, allow_unknown_permissions=true, allow_deferred=false, allow_unproven=false, check_minutes=360",
      ),
    );
    expect(await shell.transcript(alice, "member list")).toBe(
      text(
        "ID  SUBJECT  ROLE  STATUS  ISSUER",
        "ID  carol  trader  active  urn:keyhold:local",
        "ID  bob  trader  active  urn:keyhold:local",
        "ID  alice  owner  active  urn:keyhold:local",
      ),
    );
    expect(await shell.transcript(bob, "account list")).toBe(
      text("ID  NAME  ACTIVE  FROZEN  OWNER", "ID  Main  yes  no  bob"),
    );
    expect(await shell.transcript(bob, "me")).toMatch(
      /^kind {2}member\ntenant {2}T\nmember {2}ID\nrole {2}trader\nscopes {2}tenant:read, /,
    );
  });

  test("nobody of a suspended tenant is let in, until it is resumed", async () => {
    const { tenant, bob } = await world.openTenant();
    expect(await shell.transcript(operator, `tenant suspend ${tenant}`)).toContain("status  suspended");
    const refusedAtLast = async (): Promise<string> => shell.transcript(bob, "account list");
    await expect
      .poll(refusedAtLast, { timeout: 10_000, interval: 500 })
      .toBe(
        text(
          "keyhold: a valid token or API key is required (unauthenticated)",
          "  Send `Authorization: Bearer` with a valid token or API key of an active member.",
          "hint: your token is of bob, of tenant ID, signed by urn:keyhold:local: the log of the service says what does not fit",
          "[exit 1]",
        ),
      );
    expect(await shell.transcript(operator, `tenant resume ${tenant}`)).toContain("status  active");
    await expect.poll(refusedAtLast, { timeout: 10_000, interval: 500 }).toContain("Main");
  });

  test("the operator sees nothing inside a tenant, and a member opens none", async () => {
    const { bob } = await world.openTenant();
    expect(await shell.transcript(operator, "credential list")).toMatch(
      /\(forbidden\)\n.*\nhint: .*\n\[exit 1\]$/,
    );
    expect(await shell.transcript(bob, "tenant create Mine --owner bob")).toMatch(
      /\(forbidden\)[^]*\[exit 1\]$/,
    );
  });
});

describe("a credential", () => {
  test("is registered from standard input, shown, asked about, used and revealed", async () => {
    const { account, bob } = await world.openTenant();
    const key = world.simulator.control.addKey("binance");
    shell.name(account, "A");
    const register = `credential register binance --account ${account} --allow read,trade --reveal --secret-stdin`;
    expect(await shell.transcript(bob, register, asJson(key))).toBe(
      text(
        "id  ID",
        "venue  binance",
        "environment  live",
        "label  default",
        "status  active",
        "may  read, trade",
        "health  healthy",
        "message  –",
        "account  A",
        "policy  read, trade, reveal",
        "validated  TIME",
        "expires  –",
        "revision  1",
      ),
    );
    const id = shell.name(await shell.field(bob, "credential list", "id"), "C");
    expect(await shell.transcript(bob, "credential list --venue binance")).toBe(
      text(
        "ID  VENUE  ENVIRONMENT  LABEL  STATUS  MAY  HEALTH",
        "C  binance  live  default  active  read, trade  healthy",
      ),
    );
    expect(await shell.transcript(bob, `credential validate ${id}`)).toBe(
      text(
        "valid  yes",
        "outcome  valid",
        "message  The venue accepts the credential.",
        "may  read, trade",
        "account  –",
      ),
    );
    expect(JSON.parse(await shell.transcript(bob, `invoke ${id} fetchBalance`))).toMatchObject({
      total: { USDT: 100_000 },
    });
    expect(JSON.parse(await shell.transcript(bob, `invoke ${id} fetchBalance --json`))).toMatchObject({
      outcome: "done",
      operation: "fetchBalance",
    });
    const told = await shell.run(bob, ["credential", "reveal", id, "--reason", "moving house"]);
    expect(told).toMatchObject({ code: 0, notes: "" });
    revealed = told.output;
    expect(JSON.parse(revealed)).toMatchObject({
      credential_id: id,
      secret: { api_key: key.apiKey, api_secret: key.apiSecret },
    });
    expect(await shell.transcript(bob, "audit list")).toMatch(/\(forbidden\)[^]*\[exit 1\]$/);
  });

  test("is refused when it may withdraw, does not work, is there already, or has no such field", async () => {
    const { account, bob } = await world.openTenant();
    const good = world.simulator.control.addKey("binance");
    const withdrawing = world.simulator.control.addKey("binance", { permissions: { withdraw: true } });
    const line = `credential register binance --account ${account} --secret-stdin`;
    expect(await shell.transcript(bob, line, asLines(withdrawing))).toBe(
      text(
        "keyhold: credentials that can withdraw are refused (withdraw_refused)",
        "  The key may withdraw. Make a key without it at the venue; a leaked key must not be able to empty the account.",
        "hint: make a key at the venue that cannot withdraw",
        "[exit 1]",
      ),
    );
    expect(await shell.transcript(bob, line, asLines({ ...good, apiSecret: withdrawing.apiSecret }))).toBe(
      text(
        "keyhold: the venue rejected the credential (venue_rejected)",
        "  Binance: the signature is invalid: the secret does not belong to this API key. It said: Signature for this request is not valid (-1022). Nothing was stored.",
        "hint: check the key at the venue, and that --environment is the right one",
        "[exit 1]",
      ),
    );
    expect(await shell.transcript(bob, line, asLines(good))).toContain("status  active");
    expect(await shell.transcript(bob, line, asLines(good))).toMatch(
      /^keyhold: already exists \(duplicate\)/,
    );
    expect(await shell.transcript(bob, line, "passphrase=x")).toMatch(
      /^keyhold: the request is malformed \(malformed\)\n {2}.*api_key is missing.*passphrase is not used here/,
    );
    expect(await shell.transcript(bob, "credential list --label default")).toContain("binance");
    expect(await shell.transcript(bob, line.replace("--secret-stdin", ""))).toBe(
      text(
        "keyhold: there is no terminal to ask for the secret at",
        "hint: pipe it in with --secret-stdin, as JSON or as lines of name=value",
        "[exit 2]",
      ),
    );
    expect(
      await shell.transcript(bob, line.replace("binance", "nowhere").replace("--secret-stdin", "")),
    ).toBe(
      text("keyhold: the service knows no venue nowhere", "hint: `keyhold venues` lists them", "[exit 2]"),
    );
  });

  test("that the venue refuses, or cannot be asked about, is told apart by the exit code", async () => {
    const { account, bob } = await world.openTenant();
    const key = world.simulator.control.addKey("alpaca", { environment: "paper" });
    const line = `credential register alpaca --environment paper --account ${account} --secret-stdin`;
    const id = await shell.field(bob, line, "id", asJson(key));
    expect(await shell.transcript(bob, `credential validate ${id}`)).toContain("account  paper, ACTIVE");
    world.simulator.control.fail("alpaca", { kind: "answer", status: 503, body: "{}" }, { times: 1 });
    expect(await shell.transcript(bob, `credential validate ${id}`)).toMatch(
      /^valid {2}unknown\n[^]*keyhold: the venue gave no clear answer\nhint: try again in a moment\n\[exit 3\]$/,
    );
    const page = { kind: "answer", status: 451, body: "Not served in your region." } as const;
    world.simulator.control.fail("alpaca", page, { times: 1 });
    expect(await shell.transcript(bob, `credential validate ${id}`), "what does not pass by itself").toMatch(
      /Not served in your region[^]*keyhold: the venue gave no clear answer\n\[exit 3\]$/,
    );
    world.simulator.control.revokeKey("alpaca", key.apiKey);
    expect(await shell.transcript(bob, `credential validate ${id}`)).toMatch(
      /^valid {2}no\noutcome {2}rejected\n[^]*keyhold: the venue does not accept the credential\n\[exit 1\]$/,
    );
  });

  test("places an order once, however often the command is repeated with its name", async () => {
    const { account, bob } = await world.openTenant();
    const key = world.simulator.control.addKey("binance");
    const line = `credential register binance --account ${account} --allow read,trade --secret-stdin`;
    const id = await shell.field(bob, line, "id", asJson(key));
    const order =
      `invoke ${id} createOrder --param symbol=BTC/USDT --param type=limit --param side=buy` +
      " --param amount=0.001 --param price:=30000";
    expect(await shell.transcript(bob, order)).toMatch(
      /^keyhold: an Idempotency-Key is required \(idempotency_key_required\)\n.*\nhint: add --idempotency-key .*\n\[exit 1\]$/,
    );
    const first = await shell.transcript(bob, `${order} --idempotency-key rebalance-7`);
    expect(JSON.parse(first)).toMatchObject({ symbol: "BTC/USDT", side: "buy" });
    expect(await shell.transcript(bob, `${order} --idempotency-key rebalance-7`)).toBe(first);
    expect(world.simulator.control.account("binance", key.account).orders).toHaveLength(1);
    expect(
      await shell.transcript(bob, `${order} --param amount=0.002 --idempotency-key rebalance-7`),
    ).toMatch(/^keyhold: this Idempotency-Key was used for a different request/);
    expect(await shell.transcript(bob, `invoke ${id} mineGold`)).toMatch(
      /\(unknown_operation\)[^]*\[exit 1\]$/,
    );
  });

  test("belongs to its owner: to another tenant it does not exist, to another member it is closed", async () => {
    const { account, bob, carol } = await world.openTenant();
    const { alice: eve } = await world.openTenant();
    const key = world.simulator.control.addKey("binance");
    const line = `credential register binance --account ${account} --secret-stdin`;
    const id = await shell.field(bob, line, "id", asJson(key));
    for (const command of ["show", "validate", "freeze", "revoke"]) {
      expect(await shell.transcript(eve, `credential ${command} ${id}`)).toMatch(
        /^keyhold: not found \(not_found\)\n {2}There is no such credential\.\n[^]*\[exit 1\]$/,
      );
      expect(await shell.transcript(carol, `credential ${command} ${id}`)).toMatch(
        /^keyhold: not allowed \(forbidden\)\n {2}The credential belongs to another member\.\n[^]*\[exit 1\]$/,
      );
    }
  });

  test("is frozen, changed, replaced, revoked and deleted", async () => {
    const { account, alice, bob } = await world.openTenant();
    const key = world.simulator.control.addKey("binance");
    const line = `credential register binance --account ${account} --secret-stdin`;
    const id = await shell.field(bob, line, "id", asJson(key));
    expect(await shell.transcript(bob, `credential freeze ${id} --reason leaked?`)).toContain(
      "status  active, frozen",
    );
    expect(await shell.transcript(bob, `invoke ${id} fetchBalance`)).toMatch(/\(frozen\)[^]*\[exit 1\]$/);
    expect(await shell.transcript(bob, `credential unfreeze ${id}`)).toMatch(/status {2}active\n/);
    expect(await shell.transcript(bob, `account freeze ${account}`)).toContain("frozen  yes");
    expect(await shell.transcript(bob, `account unfreeze ${account}`)).toContain("frozen  no");
    await shell.run(alice, ["credential", "freeze", id, "--reason", "under suspicion"]);
    await shell.run(bob, ["credential", "freeze", id]);
    expect(await shell.transcript(bob, `credential unfreeze ${id}`)).toMatch(
      /It is still frozen: by owner since TIME \(under suspicion\)/,
    );
    expect(await shell.transcript(bob, `credential unfreeze ${id}`)).toMatch(/\(forbidden\)[^]*\[exit 1\]$/);
    await shell.run(alice, ["credential", "unfreeze", id]);
    const changed = await shell.transcript(
      bob,
      `credential update ${id} --label spot --allow read,trade --reveal`,
    );
    expect(changed).toMatch(/label {2}spot\n[^]*policy {2}read, trade, reveal\n/);
    expect(await shell.transcript(bob, `credential update ${id} --no-reveal --deactivate`)).toMatch(
      /status {2}inactive\n[^]*policy {2}read, trade\n/,
    );
    expect(await shell.transcript(bob, `invoke ${id} fetchBalance`)).toMatch(
      /\(credential_inactive\)[^]*\[exit 1\]$/,
    );
    expect(await shell.transcript(bob, `credential update ${id} --activate`)).toMatch(/status {2}active\n/);
    const other = world.simulator.control.addKey("binance");
    expect(await shell.transcript(bob, `credential replace ${id} --secret-stdin`, asLines(other))).toMatch(
      /status {2}active\n/,
    );
    expect(await shell.transcript(bob, `credential revoke ${id} --yes`)).toContain("status  revoked");
    expect(await shell.transcript(bob, `invoke ${id} fetchBalance`)).toMatch(
      /\(illegal_state\)[^]*\[exit 1\]$/,
    );
    expect(await shell.transcript(bob, `credential delete ${id} --yes`)).toBe("ID is deleted");
    expect(await shell.transcript(bob, `credential show ${id}`)).toMatch(/\(not_found\)[^]*\[exit 1\]$/);
    expect(await shell.transcript(bob, "credential list")).toBe("none");
  });
});

describe("API keys and venues", () => {
  test("a key is shown once, speaks for its member, and ends", async () => {
    const { bob } = await world.openTenant();
    const created = await shell.run(bob, [
      "api-key",
      "create",
      "report",
      "--scope",
      "credentials:read",
      "--agent",
    ]);
    expect(created.notes).toBe("Keep the key now: it is not shown again.\n");
    const key = /^key +(kh_\S+)$/m.exec(created.output)?.[1] ?? "";
    expect(await shell.transcript(key, "me")).toMatch(
      /^kind {2}member, through an agent\n[^]*\nscopes {2}credentials:read$/,
    );
    const listed = await shell.transcript(bob, "api-key list");
    expect(listed).toContain(key.slice(0, 10));
    expect(listed).not.toContain(key);
    const id = await shell.field(bob, "api-key list", "id");
    expect(await shell.transcript(bob, `api-key revoke ${id}`)).toMatch(
      /there is no terminal[^]*\[exit 2\]$/,
    );
    expect(await shell.transcript(key, "me"), "the control: it lives on").toContain("through an agent");
    expect(await shell.transcript(bob, `api-key revoke ${id} --yes`)).toBe("ID is revoked");
    const refused = async (): Promise<string> => shell.transcript(key, "me");
    await expect
      .poll(refused, { timeout: 10_000, interval: 500 })
      .toMatch(/\(unauthenticated\)[^]*\[exit 1\]$/);
  });

  test("a key is narrowed to an account and to networks, and ends", async () => {
    const { account, bob } = await world.openTenant();
    const narrowing = `--account ${account} --network 127.0.0.1,10.20.0.0/16 --expires 2000-01-01T00:00:00Z`;
    const line = `api-key create desk --scope accounts:read ${narrowing}`;
    expect(await shell.transcript(bob, line)).toMatch(/has passed already[^]*\[exit 1\]$/);
    expect(await shell.transcript(bob, line.replace(/ --expires.*/, ""))).toMatch(
      /expires {2}TIME\n[^]*reaches {2}account ID, from 127.0.0.1\/32, from 10.20.0.0\/16\n/,
    );
  });

  test("venues are listed with their fields, and one with its operations", async () => {
    const { bob } = await world.openTenant();
    expect(await shell.transcript(bob, "venues")).toMatch(
      /\nokx {2}OKX {2}.*api_key, api_secret, passphrase\n/,
    );
    expect(await shell.transcript(bob, "venues alpaca")).toMatch(
      /^venue {2}alpaca\nname {2}Alpaca\nenvironments {2}live, paper\nfields {2}api_key, api_secret\n[^]*operations {2}account, /,
    );
  });

  test("an operation is shown with its class and parameters, and a near name where there is none", async () => {
    const { bob } = await world.openTenant();
    expect(await shell.transcript(bob, "venues kucoin cancelOrder")).toMatch(
      /^operation {2}cancelOrder\nclass {2}trade\nidempotency key {2}required\nparameters {2}id=string, /,
    );
    expect(await shell.transcript(bob, "venues kucoin cancelOrders")).toMatch(
      /has no operation cancelOrders\nhint: did you mean cancelOrder[^]*\[exit 2\]$/,
    );
  });
});

describe("the record", () => {
  test("is listed page by page, and its chain holds, from the service and from a file", async () => {
    const { tenant, alice } = await world.openTenant();
    shell.name(tenant, "R");
    const firstPage = await shell.run(alice, ["audit", "list", "--limit", "2"]);
    expect(firstPage.output.split("\n")).toHaveLength(4);
    const cursor = /--cursor (\S+)/.exec(firstPage.notes)?.[1] ?? "";
    const rest = await shell.run(alice, ["audit", "list", "--cursor", cursor]);
    expect(rest.output).toMatch(/tenant\.created/);
    expect(await shell.transcript(alice, "audit list --event tenant.created")).toBe(
      text(
        "SEQ  AT  EVENT  OUTCOME  BY  DETAIL",
        "1  TIME  tenant.created  ok  operator operator  name=Northwind",
      ),
    );
    expect(await shell.transcript(alice, "audit list --event tenant.created --actor nobody")).toBe(
      text("none"),
    );
    expect(await shell.transcript(alice, "audit verify")).toMatch(
      /^intact {2}yes\ntenant {2}R\nlinks {2}4\nevents {2}5\nend {2}4:HEX\nnot checked {2}whether [^]+\nnot checked {2}whether /,
    );
    const path = join(world.folder, "export.ndjson");
    const exported = await fetch(`${world.service.url}/api/v1/audit/export`, {
      headers: { authorization: `Bearer ${alice}` },
    });
    const lines = await exported.text();
    await writeFile(path, lines);
    expect(await shell.transcript("none", `audit verify ${path}`)).toContain("intact  yes");
    await writeFile(path, lines.replace("Northwind", "Southwind"));
    expect(await shell.transcript("none", `audit verify ${path}`)).toBe(
      text(
        "keyhold: the record is broken at line 3: the events of link 1 are not those that were recorded",
        "[exit 1]",
      ),
    );
  });
});

describe("the service as a command", () => {
  test("printed no secret all the while, but where reveal was asked for it", () => {
    const secrets = secretsTyped();
    expect(secrets.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => shell.printed.includes(secret))).toEqual([]);
    // The control: what was revealed would have been found.
    expect(secrets.filter((secret) => revealed.includes(secret))).toHaveLength(2);
  });

  test("ends with 0 when it is told to, through the launcher", async () => {
    await world.service.stop();
    expect(world.service.output()).toContain('"message":"stopped"');
  });
});
