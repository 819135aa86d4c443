import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asJson, asLines, type CliWorld, createCliWorld } from "../../testkit/cli-world.ts";

let world: CliWorld;
let shell: CliWorld["shell"];
let operator: string;

beforeAll(async () => {
  world = await createCliWorld();
  ({ shell, operator } = world);
});
afterAll(() => world.close());

describe("tenants, members and accounts change", () => {
  test("by verbs of their own, and by name", async () => {
    const { tenant, account, alice, bob } = await world.openTenant();
    expect(
      await shell.transcript(
        alice,
        "tenant set-policy --allow-deferred --no-allow-unproven --check-minutes 60",
      ),
    ).toMatch(/policy {2}.*allow_deferred=true, allow_unproven=false, check_minutes=60$/);
    expect(await shell.transcript(operator, `tenant set-limits ${tenant} --requests 90000`)).toContain(
      "limits  requests_per_minute=90000",
    );
    expect(await shell.transcript(operator, `tenant rename ${tenant} 'South ${tenant}'`)).toContain(
      "name  South",
    );
    expect(await shell.transcript(operator, `tenant show 'South ${tenant}'`)).toContain("status  active");
    expect(await shell.transcript(alice, "member set-role carol viewer")).toContain("role  viewer");
    expect(await shell.transcript(alice, "member suspend carol")).toContain("status  suspended");
    expect(await shell.transcript(alice, "member show carol")).toContain("status  suspended");
    expect(await shell.transcript(alice, "member resume carol")).toContain("status  active");
    expect(await shell.transcript(bob, "account rename Main Treasury")).toContain("name  Treasury");
    expect(await shell.transcript(bob, `account show ${account.slice(0, 13)}`)).toContain("name  Treasury");
    expect(await shell.transcript(bob, "account show Main")).toMatch(
      /there is no account Main[^]*\[exit 2\]$/,
    );
    expect(await shell.transcript(bob, "account delete Treasury")).toMatch(
      /Destroy the secrets of all credentials of the account "Treasury"[^]*\[exit 2\]$/,
    );
    expect(await shell.transcript(bob, "account delete Treasury --yes")).toBe("ID is deleted");
    expect(await shell.transcript(bob, "account list --all")).toBe("none");
    expect(await shell.transcript(operator, `tenant suspend ${tenant}`)).toContain("status  suspended");
    expect(await shell.transcript(operator, `tenant delete ${tenant} --yes`)).toContain("status  deleted");
  });
});

describe("a credential", () => {
  test("is asked about before it is kept, and named in other ways than by its id", async () => {
    const { bob } = await world.openTenant();
    const key = world.simulator.control.addKey("binance");
    expect(
      await shell.transcript(bob, "credential validate-secret binance --secret-stdin", asJson(key)),
    ).toMatch(/^valid {2}yes\noutcome {2}valid\n/);
    expect(await shell.transcript(bob, "credential list")).toBe("none");
    const wrong = { ...key, apiSecret: `${key.apiSecret}x` };
    expect(
      await shell.transcript(bob, "credential validate-secret binance --secret-stdin", asLines(wrong)),
    ).toMatch(/^valid {2}no\n[^]*the venue does not accept the credential\n\[exit 1\]$/);
    const register = "credential register binance --account Main --label spot --secret-stdin";
    const id = shell.name(await shell.field(bob, register, "id", asJson(key)), "S");
    for (const name of ["spot", "binance", "binance/live/spot", id.slice(0, 8)])
      expect(await shell.transcript(bob, `credential show ${name}`)).toMatch(/^id {2}S\n/);
    expect(await shell.transcript(bob, "invoke spot fetchBalanec")).toMatch(
      /\(unknown_operation\)\n.*\nhint: did you mean fetchBalance\?/,
    );
    expect(await shell.transcript(bob, "credential list --account Main")).toContain("spot");
  });
});

test("the record is exported to standard output, and to a file that is never overwritten", async () => {
  const { alice } = await world.openTenant();
  const path = join(world.folder, "export.ndjson");
  const { output } = await shell.run(alice, ["audit", "export"]);
  expect(output).toContain("tenant.created");
  expect(await shell.transcript(alice, `audit export --output ${path}`)).toContain("holds the record");
  expect(await readFile(path, "utf8")).toBe(output);
  expect(await shell.transcript(alice, `audit export --output ${path}`)).toMatch(
    /cannot be written \(EEXIST\)\n\[exit 2\]$/,
  );
  expect(await shell.transcript("none", `audit verify ${path}`)).toContain("intact  yes");
});
