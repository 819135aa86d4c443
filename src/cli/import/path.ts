import { CliError } from "../errors.ts";

export const defaultPath = "secret/tenants/{tenant}/exchanges/{exchange}/credentials";

/**
 * Where the keys of one tenant are: a folder with a name for each exchange in it, and what follows behind
 * each name.
 */
export type Place = Readonly<{ folder: string; behind: string }>;

/** Throws `CliError` for a template that is none, and for a tenant that would lead out of its place. */
export function placeOf(template: string, tenant: string | null): Place {
  const parts = template.split("/");
  const at = parts.indexOf("{exchange}");
  const rest = parts.filter((_, index) => index !== at);
  const tenants = rest.filter((part) => part === "{tenant}").length;
  if (at < 1 || tenants > 1 || !rest.every((part) => part === "{tenant}" || isWord(part))) throw noTemplate();
  const filled = parts.map((part) => (part === "{tenant}" ? word("--source-tenant", tenant ?? "") : part));
  return { folder: filled.slice(0, at).join("/"), behind: filled.slice(at + 1).join("/") };
}

/** Where the key of one exchange is. Throws `CliError` for a name that would lead elsewhere. */
export function pathTo({ folder, behind }: Place, exchange: string): string {
  const path = `${folder}/${word("--exchange", exchange)}`;
  return behind === "" ? path : `${path}/${behind}`;
}

/**
 * Whether it is one part of a path and nothing but that: no slash, no dots alone, nothing that a URL writes
 * in another way.
 */
export function isWord(part: string): boolean {
  return /^\w[\w.-]{0,127}$/.test(part);
}

function word(option: string, value: string): string {
  if (isWord(value)) return value;
  throw new CliError(
    "usage",
    `${option} must be letters, digits, _, - and dots, with none of the last two in front`,
  );
}

function noTemplate(): CliError {
  return new CliError("usage", "--path must be words with slashes between them, {exchange} once among them", {
    hint: `such as ${defaultPath}; it begins with the mount of the engine`,
  });
}
