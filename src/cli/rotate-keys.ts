import type { Custody } from "../credentials/custody.ts";
import { rememberKek } from "../key-encryption/installation.ts";
import type { Cli } from "./cli.ts";
import { reseal, underRetiredKeys } from "../credentials/reseal.ts";
import {
  databaseTime,
  rewrapDataKey,
  rotateDataKey,
  sealingKeys,
  wrappedOtherwise,
} from "../tenants/data-key.ts";
import { withCustody, workThrough } from "./operate.ts";

const most = 1_000_000;

/** `madeBefore`: data keys that are younger have their successor already. */
export type RotateOptions = Readonly<{ dataKeys?: true; madeBefore?: Date }>;

/**
 * Wraps all data keys with the newest key-encryption key; with `dataKeys` also gives each that seals a
 * successor, and seals all secrets with it. Beside a service that runs, and to be repeated when it was cut
 * off. Throws `CliError`.
 */
export async function rotateKeys(cli: Cli, { dataKeys, madeBefore }: RotateOptions): Promise<void> {
  await withCustody(cli, async ({ custody }) => {
    const rewrapped = await rewrapAll(cli, custody);
    if (dataKeys !== true) {
      cli.output.text(`All data keys are wrapped by ${custody.dataKeys.newestKekId}.`, { rewrapped });
      return;
    }
    const since = madeBefore ?? (await databaseTime(custody.db));
    const text = since.toISOString();
    cli.output.note(`If this is cut off: keyhold keys rotate --data-keys --made-before ${text}`);
    const rotated = await rotateAll(cli, custody, since);
    const resealed = await resealAll(cli, custody);
    cli.output.text(`${rotated} data keys have a successor; ${resealed} credentials were sealed anew.`, {
      rewrapped,
      rotated,
      resealed,
    });
  });
}

async function rewrapAll(cli: Cli, custody: Custody): Promise<number> {
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
  return workThrough(cli, {
    label: "Making successors",
    left: () => sealingKeys(custody.db, madeBefore, most),
    idOf: ({ id }) => id,
    deal: (key) => rotateDataKey(custody, key),
  });
}

async function resealAll(cli: Cli, custody: Custody): Promise<number> {
  return workThrough(cli, {
    label: "Sealing credentials anew",
    left: () => underRetiredKeys(custody.db, most),
    idOf: ({ id }) => id,
    deal: ({ tenant_id, id }) => reseal(custody, tenant_id, id),
  });
}
