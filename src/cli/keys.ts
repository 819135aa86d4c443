import { type Command, InvalidArgumentError } from "commander";
import type { Custody } from "../credentials/custody.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { withCustody, workThrough } from "./operate.ts";
import { yesOption } from "./options.ts";
import { confirmDestruction } from "./terminal.ts";

const most = 1_000_000;

export function addKeyCommands(program: Command, cli: Cli): void {
  const keys = program.command("keys").description("key-encryption keys and data keys; for the operator");
  addFileCommands(keys, cli);
  keys
    .command("status")
    .description("show how many data keys each key-encryption key wraps")
    .action(() => status(cli));
  keys
    .command("rotate")
    .description("wrap all data keys with the newest key-encryption key, while the service runs")
    .option("--data-keys", "also give every data key a successor, and seal all secrets with it")
    .option(
      "--made-before <time>",
      "leave data keys that are younger: goes on with a rotation that was cut off",
      parseTime,
    )
    .action((options: Parameters<typeof rotateKeys>[1]) => rotateKeys(cli, options));
}

function addFileCommands(keys: Command, cli: Cli): void {
  const { output } = cli;
  keys
    .command("create")
    .description("make a key file for a service with a database of its own")
    .argument("<path>", "where the file is to be; it is never overwritten")
    .action(async (path: string) => {
      const { createKeyFile, readKeyFile } = await import("../key-encryption/key-file.ts");
      await createKeyFile(path);
      const { newest } = await readKeyFile(path);
      output.text(`${path} holds the new key ${newest.id}`, { path, kek_id: newest.id });
      output.note("Back this file up, and not together with the database: without it no secret opens again.");
    });
  keys
    .command("add")
    .description("put a new key in front of a key file")
    .argument("<path>", "the key file")
    .action(async (path: string) => {
      const { addKey, readKeyFile } = await import("../key-encryption/key-file.ts");
      await addKey(path);
      const { newest } = await readKeyFile(path);
      output.text(`${path} holds the new key ${newest.id}, in front`, { path, kek_id: newest.id });
      output.note("Back the file up and give it to every machine of the service, then: keyhold keys rotate");
    });
  yesOption(keys.command("remove-old"))
    .description("keep only the newest key of a key file, once nothing is wrapped by the others")
    .argument("<path>", "the key file")
    .action((path: string, { yes }: Readonly<{ yes?: true }>) => removeOld(cli, path, yes));
}

async function removeOld({ output, environment, terminal }: Cli, path: string, yes?: true): Promise<void> {
  const [{ readKeyFile, removeOldKeys }, { countDataKeys }, { findKekId }] = await Promise.all([
    import("../key-encryption/key-file.ts"),
    import("../tenants/data-key.ts"),
    import("../key-encryption/installation.ts"),
  ]);
  const { older } = await readKeyFile(path);
  if (older.length === 0) return output.text(`${path} holds one key alone`, { path, removed: 0 });
  await withCustody({ environment }, async ({ custody: { db } }) => {
    // What wraps nothing may still be what the next start asks for.
    const needed = [...(await countDataKeys(db)).map(({ kek_id }) => kek_id), await findKekId(db)];
    if (!older.some(({ id }) => needed.includes(id))) return;
    throw new CliError("refused", "the database still needs an older key of this file", {
      hint: "run `keyhold keys rotate` first",
    });
  });
  await confirmDestruction(terminal, yes, async () => {
    const ids = older.map(({ id }) => id).join(", ");
    return `Remove ${older.length} older keys (${ids}) from ${path}? Backups of the database from before the rotation do not open without them.`;
  });
  await removeOldKeys(path);
  output.text(`${path} holds its newest key alone`, { path, removed: older.length });
  output.note(
    "Backups of the database that are older than the rotation need the removed keys: keep them with those.",
  );
}

function status({ output, environment }: Cli): Promise<void> {
  return withCustody({ environment }, async ({ custody }) => {
    const { countDataKeys } = await import("../tenants/data-key.ts");
    const items = await countDataKeys(custody.db);
    output.list({ items, next_cursor: null, count: items.length }, [
      ["key-encryption key", ({ kek_id }) => kek_id],
      ["newest", ({ kek_id }) => kek_id === custody.dataKeys.newestKekId],
      ["data keys", ({ state }) => state],
      ["count", ({ count }) => count],
    ]);
  });
}

/**
 * Wraps all data keys with the newest key-encryption key; with `dataKeys` also gives each that seals a
 * successor, and seals all secrets with it. Beside a service that runs, and to be repeated when it was cut
 * off. `madeBefore`: data keys that are younger have their successor already. Throws `CliError`.
 */
async function rotateKeys(
  cli: Cli,
  { dataKeys, madeBefore }: Readonly<{ dataKeys?: true; madeBefore?: Date }>,
): Promise<void> {
  await withCustody(cli, async ({ custody }) => {
    const rewrapped = await rewrapAll(cli, custody);
    if (dataKeys !== true) {
      cli.output.text(`All data keys are wrapped by ${custody.dataKeys.newestKekId}.`, { rewrapped });
      return;
    }
    const { databaseTime } = await import("../tenants/data-key.ts");
    const since = madeBefore ?? (await databaseTime(custody.db));
    const text = since.toISOString();
    cli.output.note(`If this is cut off: keyhold keys rotate --data-keys --made-before ${text}`);
    const rotated = await rotateAll(cli, custody, since);
    const resealed = await resealAll(cli, custody);
    cli.output.text(`${rotated} data keys were rotated; ${resealed} credentials were resealed.`, {
      rewrapped,
      rotated,
      resealed,
    });
  });
}

async function rewrapAll(cli: Cli, custody: Custody): Promise<number> {
  const { rewrapDataKey, wrappedOtherwise } = await import("../tenants/data-key.ts");
  const { rememberKek } = await import("../key-encryption/installation.ts");
  const rewrapped = await workThrough(cli, {
    label: "Wrapping data keys",
    // Which may become another meanwhile, where a key service rotates its keys by itself.
    left: () => wrappedOtherwise(custody.db, custody.dataKeys.newestKekId, most),
    idOf: ({ id }) => id,
    deal: (key) => rewrapDataKey(custody, key),
  });
  await rememberKek(custody.db, custody.dataKeys.newestKekId);
  return rewrapped;
}

async function rotateAll(cli: Cli, custody: Custody, madeBefore: Date): Promise<number> {
  const { rotateDataKey, sealingKeys } = await import("../tenants/data-key.ts");
  return workThrough(cli, {
    label: "Making successors",
    left: () => sealingKeys(custody.db, madeBefore, most),
    idOf: ({ id }) => id,
    deal: (key) => rotateDataKey(custody, key),
  });
}

async function resealAll(cli: Cli, custody: Custody): Promise<number> {
  const { reseal, underRetiredKeys } = await import("../credentials/reseal.ts");
  return workThrough(cli, {
    label: "Resealing credentials",
    left: () => underRetiredKeys(custody.db, most),
    idOf: ({ id }) => id,
    deal: ({ tenant_id, id }) => reseal(custody, tenant_id, id),
  });
}

function parseTime(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new InvalidArgumentError("Give a time such as 2026-11-21T10:00:00Z.");
  return time;
}
