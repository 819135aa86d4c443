import { createHash, randomBytes, randomUUID } from "node:crypto";
import { link, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { StartError } from "../../errors.ts";
import { readOwnFile } from "../../own-file.ts";
import { appRole } from "../roles.ts";
import { giveTo, type Place, type Site } from "./place.ts";

/** Migrates. It owns the objects of the database, and row-level security binds it. */
export const ownerRole = "keyhold_owner";
/** Makes roles and the database when the server starts. Nothing connects as it later. */
export const superuserRole = "keyhold_superuser";

const password = z.string().regex(/^[\w-]{43}$/);
const passwordFile = z.strictObject({
  [superuserRole]: password,
  [ownerRole]: password,
  [appRole]: password,
});
/** The password of each role of an embedded server, by its name. */
export type Passwords = Readonly<Record<string, string>>;

const passwordPath = ({ home }: Place): string => join(home, "postgres-passwords.json");

/**
 * The passwords of the server of this place; `null` when none were made. Throws StartError for a file that
 * others can read.
 */
export async function readPasswords(place: Place): Promise<Passwords | null> {
  const path = passwordPath(place);
  const text = await readOwnFile(path, "The file of the database's passwords");
  if (text === null) return null;
  const parsed = passwordFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new StartError(
    `The file of the database's passwords ${path} is damaged. Remove it: the next start makes new ones.`,
  );
}

/**
 * Makes passwords if there are none. Two starts at once get the same ones, because a link never replaces a
 * file.
 */
export async function ensurePasswords(place: Place): Promise<Passwords> {
  const known = await readPasswords(place);
  if (known !== null) return known;
  const roles = [superuserRole, ownerRole, appRole];
  const made = Object.fromEntries(roles.map((role) => [role, randomBytes(32).toString("base64url")]));
  const path = passwordPath(place);
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeDurably(draft, `${JSON.stringify(made)}\n`);
    await link(draft, path).catch(unlessThere);
  } finally {
    await rm(draft, { force: true });
  }
  return (await readPasswords(place)) ?? made;
}

/**
 * Who may connect: a process with the password of a role (SCRAM), over the socket. The comment binds the file
 * to the passwords, so that a database from a backup with other passwords is noticed.
 */
function accessRules(passwords: Passwords): string {
  const mark = createHash("sha256")
    .update(passwords[superuserRole] ?? "")
    .digest("hex")
    .slice(0, 16);
  return `# Keyhold writes this file. Its passwords: ${mark}\nlocal all all scram-sha-256\n`;
}

const rulesPath = (data: string): string => join(data, "pg_hba.conf");

/** Whether the server of this data folder demands these passwords. */
export async function asksFor(data: string, passwords: Passwords): Promise<boolean> {
  return (await readFile(rulesPath(data), "utf8").catch(() => "")) === accessRules(passwords);
}

export function demandPasswords(site: Pick<Site, "data" | "runAs">, passwords: Passwords): Promise<void> {
  return writeRules(site, accessRules(passwords));
}

/** During a conversion only the folder of the socket keeps others out. */
export function demandNothing(site: Pick<Site, "data" | "runAs">): Promise<void> {
  return writeRules(site, "local all all trust\n");
}

/** After a crash the file has its old or its new content. */
async function writeRules({ data, runAs }: Pick<Site, "data" | "runAs">, rules: string): Promise<void> {
  const draft = `${rulesPath(data)}.${randomUUID()}`;
  await writeDurably(draft, rules);
  await giveTo(runAs, draft);
  await rename(draft, rulesPath(data));
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}
