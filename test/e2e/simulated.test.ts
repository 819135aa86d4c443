import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Service, startService } from "../../testkit/service.ts";
import { Shell } from "../../testkit/shell.ts";

const folder = mkdtempSync(join(tmpdir(), "keyhold-simulated-"));
const environment = { KEYHOLD_FOLDER: folder };
const start = () => startService(environment, ["src/main.ts", "--simulated"]);
const keysIn = z.array(
  z.object({ venue: z.string(), environment: z.string(), secret: z.record(z.string(), z.string()) }),
);
const readKeys = () => keysIn.parse(JSON.parse(readFileSync(join(folder, "simulated-keys.json"), "utf8")));

let service: Service;
let shell: Shell;
beforeAll(async () => {
  service = await start();
  shell = new Shell({ ...environment, KEYHOLD_URL: service.url });
});
afterAll(async () => {
  await service?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function openAccount(): Promise<Readonly<{ alice: string; account: string }>> {
  const operator = await shell.field("none", "token --operator", "token");
  const tenant = await shell.field(operator, "tenant create Northwind --owner alice", "id");
  const alice = await shell.field("none", `token --tenant ${tenant} --subject alice`, "token");
  return { alice, account: await shell.field(alice, "account create Main", "id") };
}

test("npm start -- --simulated shows keys that can be registered and used, and they work after a restart", async () => {
  expect(statSync(join(folder, "simulated-keys.json")).mode & 0o077).toBe(0);
  const keys = readKeys();
  for (const { secret } of keys)
    for (const value of Object.values(secret))
      expect(service.output()).toContain(value.trim().replaceAll("\n", "\\n"));
  const { alice, account } = await openAccount();
  const credentials: string[] = [];
  for (const { venue, environment: where, secret } of keys) {
    const line = `credential register ${venue} --environment ${where} --label ${where} --account ${account} --secret-stdin`;
    credentials.push(await shell.field(alice, line, "id", JSON.stringify(secret)));
  }
  expect(credentials.length).toBeGreaterThanOrEqual(11);

  await service.stop();
  service = await start();
  shell = new Shell({ ...environment, KEYHOLD_URL: service.url });
  expect(readKeys()).toEqual(keys);
  const checked = await shell.run(alice, ["credential", "validate", credentials[0] ?? "", "--json"]);
  expect(JSON.parse(checked.output)).toMatchObject({ is_valid: true });
});

test("A venue that is not simulated cannot be reached", async () => {
  const { alice, account } = await openAccount();
  const secret = JSON.stringify({ api_key: "key", api_secret: "secret" });
  const line = `credential register bitstamp --environment live --account ${account} --secret-stdin`;
  expect(await shell.transcript(alice, line, secret)).toContain("venue_unavailable");
});

test("Simulated and real venues do not share a folder, and a database of its own is refused", async () => {
  await expect(startService(environment)).rejects.toThrow(/was used with --simulated/);
  const simulated = ["src/main.ts", "--simulated"] as const;
  const elsewhere = { DATABASE_URL: "postgres://keyhold@db.example/keyhold", KEYHOLD_KEY_FILE: "/nowhere" };
  await expect(startService({ ...elsewhere, KEYHOLD_LOCAL_ISSUER: "on" }, simulated)).rejects.toThrow(
    /leave DATABASE_URL out/,
  );
  await expect(startService(environment, ["src/main.ts", "--simulate"])).rejects.toThrow(
    /The only arguments are --simulated and --new/,
  );
});
