import { once } from "node:events";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../testkit/cli.ts";
import { createInstallation, type Installation } from "../../testkit/installation.ts";
import { startService } from "../../testkit/service.ts";

type Settings = Readonly<Record<string, string>>;

let installation: Installation;
let folder: string;
beforeAll(async () => {
  installation = await createInstallation();
  folder = await mkdtemp(join(tmpdir(), "keyhold-refused-"));
});
afterAll(async () => {
  await installation?.close();
  await rm(folder, { recursive: true });
});

/** All that the service wrote before it ended. */
async function said(more: Settings): Promise<string> {
  const started = startService({ ...installation.settings, ...more });
  return started.then(
    async (service) => {
      await service.stop();
      return "it started";
    },
    (error: unknown) => (error instanceof Error ? error.message.replace("the service ended: ", "") : ""),
  );
}

/** One sentence on its own line, and no stack. */
async function sentence(more: Settings): Promise<string> {
  const lines = (await said(more)).split("\n").filter((line) => !line.startsWith("{"));
  expect(lines, lines.join("\n")).toHaveLength(1);
  return lines[0] ?? "";
}

describe("A start that cannot be is refused with a sentence that names the setting", () => {
  test.each(["KEYHOLD_PORT", "KEYHOLD_METRICS_PORT"])("a port of %s that is in use", async (name) => {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    expect(await sentence({ [name]: String(port) })).toBe(
      `keyhold: Port ${port} of 127.0.0.1 is in use. Stop the program that uses it, or set ${name} to another port.`,
    );
    server.close();
  });

  test("an address that this machine does not have", async () => {
    expect(await sentence({ KEYHOLD_METRICS_HOST: "192.0.2.1" })).toBe(
      "keyhold: This machine has no address 192.0.2.1. Set KEYHOLD_METRICS_HOST to one of its addresses.",
    );
  });

  test("a state folder that is a file, that lies below one, or where the system takes none", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    for (const path of [file, join(file, "below"), "/proc/keyhold/state", "/proc/self/keyhold"]) {
      const { DATABASE_URL: _, KEYHOLD_KEY_FILE: __, ...rest } = installation.settings;
      const started = startService({ ...rest, KEYHOLD_FOLDER: path });
      await expect(started, path).rejects.toThrow(
        /^the service ended: keyhold: The folder .* cannot be made: .*\. Correct KEYHOLD_FOLDER\.$/,
      );
    }
  });

  test("a key file, and files of Vault's, that are not there", async () => {
    expect(await sentence({ KEYHOLD_KEY_FILE: join(folder, "none") })).toMatch(
      /^keyhold: The key file .*none is missing/,
    );
    const vault = {
      KEYHOLD_STORES: "postgres,vault",
      KEYHOLD_VAULT_ADDRESSES: "https://127.0.0.1:1",
      KEYHOLD_VAULT_ROLE_ID: "r",
    };
    const missing = join(folder, "none");
    expect(await sentence({ ...vault, KEYHOLD_VAULT_SECRET_ID_FILE: missing })).toBe(
      `keyhold: The file ${missing} of KEYHOLD_VAULT_SECRET_ID_FILE cannot be read (ENOENT).`,
    );
    expect(
      await sentence({ ...vault, KEYHOLD_VAULT_AUTH: "token", KEYHOLD_VAULT_TOKEN_FILE: missing }),
    ).toContain("KEYHOLD_VAULT_TOKEN_FILE");
    expect(
      await sentence({
        ...vault,
        KEYHOLD_VAULT_SECRET_ID_FILE: installation.world.keyFile,
        KEYHOLD_VAULT_CA_FILE: installation.world.keyFile,
      }),
    ).toContain("KEYHOLD_VAULT_CA_FILE holds no certificate");
  });

  test("an option that the service does not have", async () => {
    const started = startService(installation.settings, ["src/main.ts", "--nev"]);
    await expect(started).rejects.toThrow("keyhold: The only arguments are --simulated and --new");
  });
});

test("Commands that read make nothing, in a folder where no service has run", async () => {
  const environment = { KEYHOLD_FOLDER: join(folder, "absent") };
  for (const command of [
    "keys status",
    "store check",
    "operator-key list",
    "keys rotate",
    "operator-key create",
  ]) {
    const { code, notes } = await runCli(command.split(" "), { environment });
    expect({ code, notes }, command).toMatchObject({
      code: 2,
      notes: expect.stringContaining("there is no database of Keyhold in"),
    });
  }
  expect(await readdir(folder)).not.toContain("absent");
});

test("A service that has started says what it runs on, and what to do next", async () => {
  const service = await startService(installation.settings);
  const line =
    service
      .output()
      .split("\n")
      .find((one) => one.includes('"message":"started"')) ?? "{}";
  const { name } = installation.world.database;
  expect(JSON.parse(line)).toMatchObject({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    database: expect.stringContaining(name),
    stores: "postgres",
    keys: `the file ${installation.world.keyFile}`,
    issuers: "its own, for trying things out",
    address: service.url,
    metrics: service.metricsUrl,
    next: expect.stringContaining("npx keyhold token --operator"),
  });
  expect(service.output()).not.toContain(
    String(installation.world.database.connection("keyhold_app").password),
  );
  await service.stop();
});

test("A folder for sealed files that this machine cannot make is told of by its setting", async () => {
  await chmod(folder, 0o700);
  expect(await sentence({ KEYHOLD_STORES: "postgres,file", KEYHOLD_FILE_STORE: "/proc/keyhold" })).toContain(
    "Correct KEYHOLD_FILE_STORE.",
  );
});
