import { isIP } from "node:net";
import { z } from "zod";

/** Readers of environment variables: each turns a text into a checked value. */

/** A whole number between two bounds, both included. */
export function wholeNumber(least: number, most: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().min(least).max(most));
}

export const onOrOff: z.ZodType<boolean, string> = z.enum(["on", "off"]).transform((word) => word === "on");

export const text: z.ZodType<string, string> = z.string().trim().min(1).max(4096);

const address = z.string().refine((value) => isIP(value) !== 0);

const network = z.string().refine((value) => {
  const [base = "", bits, ...rest] = value.split("/");
  if (rest.length > 0 || isIP(base) === 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIP(base) === 4 ? 32 : 128));
});

/** Networks or addresses with commas between them. */
export const networkList: z.ZodType<readonly string[], string> = commaSeparated().pipe(
  z.array(network).min(1),
);

/** Names of hosts with commas between them, without ports. */
export const hostNames: z.ZodType<readonly string[], string> = commaSeparated().pipe(
  z.array(z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i)).min(1),
);

function commaSeparated(): z.ZodType<string[], string> {
  return z.string().transform((value) => value.split(",").map((part) => part.trim()));
}

/** At least one value, with commas between them and none twice. */
export function listOf<T extends string>(schema: z.ZodType<T, string>): z.ZodType<readonly T[], string> {
  return commaSeparated()
    .pipe(z.array(schema).min(1))
    .refine((values) => new Set(values).size === values.length);
}

/** A JSON value, checked by `schema`. The message of the parser is dropped, because it quotes its input. */
function json<T>(schema: z.ZodType<T>): z.ZodType<T, string> {
  return z
    .string()
    .transform((value, context): unknown => {
      try {
        return JSON.parse(value);
      } catch {
        context.addIssue({ code: "custom", message: "not JSON" });
        return z.NEVER;
      }
    })
    .pipe(schema);
}

/** https, or http to this machine, so that nothing is read or changed on the way. */
export const guardedUrl = z.string().refine((value) => {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
});

const httpUrl = z
  .string()
  .refine((value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol));

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** In any spelling: an unknown id is refused where the venues are known. */
const venueId = z.string().regex(/^[\w.-]{1,64}$/);
const byEnvironment = z.record(z.string().regex(/^[a-z]{1,32}$/), guardedUrl);

/** Venue id → base URL, or venue id → environment → base URL. `venues/index.ts` knows the venues and their environments. */
export const venueHosts = json(z.record(venueId, z.union([guardedUrl, byEnvironment])));

/** Venue id → URL of an outbound proxy. */
export const venueProxies = json(z.record(venueId, httpUrl));

/** Addresses for all venues, or venue id → addresses. */
export const egressAddresses = z.union([
  commaSeparated().pipe(z.array(address).min(1)),
  json(z.record(venueId, z.array(address).min(1))),
]);

/** Only signatures with a public key: with an HMAC each verifier of a token could also make one. */
const algorithms = [
  "EdDSA",
  "Ed25519",
  "ES256",
  "ES384",
  "ES512",
  "PS256",
  "PS384",
  "PS512",
  "RS256",
  "RS384",
  "RS512",
] as const;

const issuer = z
  .strictObject({
    issuer: z.string().min(1).max(255),
    jwks_uri: guardedUrl.optional(),
    audience: z.string().min(1).max(255),
    algorithms: z.array(z.enum(algorithms)).min(1),
    tenants: z.union([z.literal("*"), z.array(z.uuid().toLowerCase())]),
    operator: z.boolean().default(false),
    typ: z.enum(["at+jwt", "JWT", "none"]).default("at+jwt"),
    audience_claim: z.enum(["aud", "client_id"]).optional(),
    scope_prefix: z.string().min(1).max(255).optional(),
    max_age_seconds: z.int().min(60).max(86_400).default(3600),
  })
  .refine((it) => it.jwks_uri !== undefined || guardedUrl.safeParse(it.issuer).success);

/** The issuers of tokens, each with the tenants that it may sign for. */
export const issuers = json(
  z.array(issuer).refine((list) => new Set(list.map((it) => it.issuer)).size === list.length),
);
export type ConfiguredIssuer = Readonly<
  Omit<z.output<typeof issuer>, "algorithms" | "tenants"> & {
    algorithms: readonly (typeof algorithms)[number][];
    tenants: "*" | readonly string[];
  }
>;
