import { execFile, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";

/**
 * `npm run dev`: the service with simulated venues on its default port, started again after each change of the code, and a tenant with a
 * credential to send requests to. Its state is in `.keyhold/dev`, so that nothing of `npm start` is touched.
 */
const root = join(import.meta.dirname, "..");
const folder = resolve(root, process.env["KEYHOLD_FOLDER"] ?? ".keyhold/dev");
const environment = {
  // A receiver of webhooks on this machine: see examples/.
  KEYHOLD_WEBHOOK_NETWORKS: "127.0.0.1",
  ...process.env,
  KEYHOLD_FOLDER: folder,
};

const ids = z.object({ items: z.array(z.object({ id: z.string() })) });
const created = z.object({ id: z.string() });
const minted = z.object({ token: z.string() });
const simulatedKeys = z.array(
  z.object({ venue: z.string(), environment: z.string(), secret: z.record(z.string(), z.string()) }),
);

const watch = ["--watch", "--watch-preserve-output", "--watch-path=src", "--watch-path=simulator"];
const service = spawn(process.execPath, [...watch, "--report-exclude-env", "src/main.ts", "--simulated"], {
  cwd: root,
  env: environment,
  stdio: ["ignore", "pipe", "inherit"],
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => service.kill(signal));
service.once("exit", (code) => {
  process.exitCode = code ?? 1;
});

let isReady = false;
for await (const line of createInterface({ input: service.stdout })) {
  process.stdout.write(`${line}\n`);
  const url = line.includes('"message":"listening"') ? /"address":"(http[^"]+)"/.exec(line)?.[1] : undefined;
  if (url === undefined || isReady) continue;
  isReady = true;
  await prepare(url).then(
    (text) => process.stdout.write(text),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      service.kill("SIGTERM");
    },
  );
}

/** Makes what a first request needs, unless an earlier run has; returns what to type. */
async function prepare(url: string): Promise<string> {
  const operator = { KEYHOLD_URL: url, KEYHOLD_TOKEN: await mint(url, "--operator") };
  const tenant = await firstTenant(operator);
  const forAlice = `--tenant ${tenant.id} --subject alice`;
  const alice = { KEYHOLD_URL: url, KEYHOLD_TOKEN: await mint(url, forAlice) };
  const credential =
    ids.parse(await keyhold(alice, "credential list")).items[0] ?? (await registerCredential(alice));
  return `
Ready at ${url}. A change below src or simulator starts the service again; Ctrl-C ends it.
In another shell, as alice, who owns a tenant with a credential for a simulated Alpaca:

  export KEYHOLD_URL=${url} KEYHOLD_FOLDER=${folder}
  export KEYHOLD_TOKEN=${alice.KEYHOLD_TOKEN}
  curl -s $KEYHOLD_URL/api/v1/credentials/${credential.id}/invoke \\
    -H "Authorization: Bearer $KEYHOLD_TOKEN" -H 'Content-Type: application/json' -d '{"operation":"account"}'

The token lives for an hour. Another one: KEYHOLD_TOKEN=$(npx keyhold token ${forAlice})

`;
}

async function firstTenant(operator: Readonly<Record<string, string>>): Promise<z.output<typeof created>> {
  const findFirst = async () => ids.parse(await keyhold(operator, "tenant list")).items[0];
  const first = await findFirst();
  if (first !== undefined) return first;
  await keyhold(operator, "tenant create Dev --owner alice");
  return created.parse(await findFirst());
}

async function registerCredential(
  alice: Readonly<Record<string, string>>,
): Promise<z.output<typeof created>> {
  const account = created.parse(await keyhold(alice, "account create Main"));
  const keys = simulatedKeys.parse(JSON.parse(await readFile(join(folder, "simulated-keys.json"), "utf8")));
  const key = keys.find(({ venue, environment: where }) => venue === "alpaca" && where === "paper");
  const line = `credential register alpaca --environment paper --account ${account.id} --allow read,trade --secret-stdin`;
  return created.parse(await keyhold(alice, line, JSON.stringify(key?.secret)));
}

async function mint(url: string, whom: string): Promise<string> {
  return minted.parse(await keyhold({ KEYHOLD_URL: url }, `token ${whom}`)).token;
}

/** Runs a line of `keyhold` and returns its answer. Throws an error with its message when it fails. */
function keyhold(settings: Readonly<Record<string, string>>, line: string, input = ""): Promise<unknown> {
  const { promise, resolve: succeed, reject } = Promise.withResolvers<unknown>();
  const argv = [join(root, "src/cli/keyhold.ts"), ...line.split(" "), "--json"];
  const child = execFile(
    process.execPath,
    argv,
    { cwd: root, env: { ...environment, ...settings } },
    (error, output, notes) => {
      if (error === null) succeed(JSON.parse(output));
      else reject(new Error(`keyhold ${line}: ${notes}`));
    },
  );
  child.stdin?.end(input);
  return promise;
}
