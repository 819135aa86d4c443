import { randomUUID } from "node:crypto";
import { forge, hmacWith, makeKey, type Part, signWith } from "./token-forge.ts";

export const issuer = "https://login.example.com";
export const other = "https://other.example.com";
export const operators = "https://operators.example.com";
export const tenant = randomUUID();
const strange = randomUUID();

export const ec = makeKey("ES256", "ec-1");
export const ed = makeKey("EdDSA", "ed-1");
export const rsa = makeKey("RS256", "rsa-1");
export const otherKey = makeKey("ES256", "other-1");
export const attacker = makeKey("ES256", "ec-1");
const attackerRsa = makeKey("RS256", "rsa-1");

export const now = Math.floor(Date.now() / 1000);
const header = { alg: "ES256", typ: "at+jwt", kid: ec.kid };
const payload = {
  iss: issuer,
  aud: "keyhold",
  sub: "alice",
  iat: now,
  exp: now + 600,
  tenant_id: tenant,
  scope: "credentials:read",
};
const signed = signWith(ec);

/** A token that is right but for what is changed. */
export function token(changes: { header?: object; payload?: object } = {}): string {
  return forge({ ...header, ...changes.header }, { ...payload, ...changes.payload }, signed);
}
const valid = (): string => token();
const [validHeader = "", validPayload = "", validSignature = ""] = valid().split(".");

/** `trap` is the address of a key set that must never be asked. */
type Make = (trap: string) => string;
type Forgery = readonly [name: string, forged: Make, twin?: Make];

const algorithms: readonly Forgery[] = [
  ...["none", "None", "NONE", "nOnE"].map((alg): Forgery => [
    `alg ${alg} without a signature`,
    () => forge({ ...header, alg }, payload, () => Buffer.alloc(0)),
  ]),
  ["alg none with a signature left in place", () => forge({ ...header, alg: "none" }, payload, signed)],
  ["no alg", () => forge({ typ: "at+jwt", kid: ec.kid }, payload, signed)],
  ["an empty alg", () => token({ header: { alg: "" } })],
  ["an alg that is a number", () => token({ header: { alg: 256 } })],
  ["an alg in lower case", () => token({ header: { alg: "es256" } })],
  [
    "HS256 over the RSA public key in PEM",
    () =>
      forge(
        { ...header, alg: "HS256", kid: rsa.kid },
        payload,
        hmacWith(rsa.publicKey.export({ type: "spki", format: "pem" })),
      ),
  ],
  [
    "HS256 over the RSA public key in DER",
    () =>
      forge(
        { ...header, alg: "HS256", kid: rsa.kid },
        payload,
        hmacWith(rsa.publicKey.export({ type: "spki", format: "der" })),
      ),
  ],
  [
    "HS256 over the public JWK",
    () => forge({ ...header, alg: "HS256" }, payload, hmacWith(JSON.stringify(ec.jwk))),
  ],
  [
    "HS256 over the EC public key in PEM",
    () =>
      forge(
        { ...header, alg: "HS256" },
        payload,
        hmacWith(ec.publicKey.export({ type: "spki", format: "pem" })),
      ),
  ],
  ["HS384 with an empty secret", () => forge({ ...header, alg: "HS384" }, payload, hmacWith("", "sha384"))],
  ["HS512 with an empty secret", () => forge({ ...header, alg: "HS512" }, payload, hmacWith("", "sha512"))],
  [
    "RS256 by the issuer's own key where it is not allowed",
    () => forge({ ...header, alg: "RS256", kid: rsa.kid }, payload, signWith(rsa)),
  ],
  [
    "PS256 by the issuer's own key where it is not allowed",
    () => forge({ ...header, alg: "PS256", kid: rsa.kid }, payload, signWith(rsa, "PS256")),
  ],
  ["ES256 in the header over an RSA signature", () => forge(header, payload, signWith(rsa))],
  [
    "EdDSA in the header with the EC key",
    () => forge({ ...header, alg: "EdDSA" }, payload, signed),
    () => forge({ ...header, alg: "EdDSA", kid: ed.kid }, payload, signWith(ed)),
  ],
  ["ES384 with the key of ES256", () => token({ header: { alg: "ES384" } })],
  ["an ES256 signature in DER", () => forge(header, payload, signWith(ec, "DER"))],
  ["a signature of zeros", () => forge(header, payload, () => Buffer.alloc(64))],
  ["a signature of ones", () => forge(header, payload, () => Buffer.alloc(64, 0xff))],
];

const keyHeaders: readonly Forgery[] = [
  ["an attacker's key under the issuer's key id", () => forge(header, payload, signWith(attacker))],
  [
    "an attacker's key without a key id",
    () => forge({ alg: "ES256", typ: "at+jwt" }, payload, signWith(attacker)),
  ],
  ["a key id that nobody has", () => token({ header: { kid: "nobody" } })],
  [
    "the attacker's key in jwk",
    () => forge({ ...header, jwk: attacker.jwk }, payload, signWith(attacker)),
    () => token({ header: { jwk: attacker.jwk } }),
  ],
  [
    "the attacker's key set in jku",
    (trap) => forge({ ...header, jku: trap }, payload, signWith(attacker)),
    (trap) => token({ header: { jku: trap } }),
  ],
  [
    "the attacker's certificate in x5u",
    (trap) => forge({ ...header, x5u: trap }, payload, signWith(attacker)),
    (trap) => token({ header: { x5u: trap } }),
  ],
  [
    "the attacker's certificate in x5c",
    () =>
      forge(
        {
          ...header,
          x5c: [attackerRsa.publicKey.export({ type: "spki", format: "der" }).toString("base64")],
        },
        payload,
        signWith(attackerRsa),
      ),
    () => token({ header: { x5c: [] } }),
  ],
  ["a key id that is a path", () => token({ header: { kid: "../../../../dev/null" } })],
  ["a key id that is SQL", () => token({ header: { kid: "' or '1'='1" } })],
  ["a key id that is a URL", (trap) => token({ header: { kid: `${trap}/keys` } })],
  ["a key id that is an object", () => token({ header: { kid: { $ne: null } } })],
  ["an extension that must be understood", () => token({ header: { crit: ["exp2"], exp2: 1 } })],
  ["a payload that is declared unencoded", () => token({ header: { crit: ["b64"], b64: false } })],
  ["a known extension that must be understood", () => token({ header: { crit: ["b64"], b64: true } })],
  ["an empty list of extensions", () => token({ header: { crit: [] } })],
];

/** Each was meant to narrow something, and says nothing that could. */
const narrowings: readonly object[] = [
  { credentials: "all" },
  { credentials: null },
  { credentials: ["*"] },
  { credentials: [{}] },
  { credentials: Array.from({ length: 101 }, () => tenant) },
  { accounts: tenant },
  { accounts: { id: tenant } },
  { networks: "10.0.0.0/8" },
  { networks: ["10.0.0.1/8"] },
  { networks: ["10.0.0.0/33"] },
  { networks: ["0x0a.0.0.1"] },
  { networks: ["010.0.0.1"] },
  { networks: ["fe80::1%eth0"] },
  { networks: ["example.com"] },
  { networks: [10] },
];

const claims: readonly Forgery[] = [
  ["no issuer", () => token({ payload: { iss: undefined } })],
  ["an issuer that is not configured", () => token({ payload: { iss: "https://evil.example.com" } })],
  [
    "another issuer's name under this issuer's key",
    () => token({ payload: { iss: other } }),
    () => forge({ ...header, kid: otherKey.kid }, { ...payload, iss: other }, signWith(otherKey)),
  ],
  ["the issuer with a slash at the end", () => token({ payload: { iss: `${issuer}/` } })],
  ["the issuer in capitals", () => token({ payload: { iss: issuer.toUpperCase() } })],
  ["the issuer in a list", () => token({ payload: { iss: [issuer] } })],
  ["an issuer named like a property of every object", () => token({ payload: { iss: "__proto__" } })],
  ["no audience", () => token({ payload: { aud: undefined } })],
  ["another audience", () => token({ payload: { aud: "billing" } })],
  ["an audience that begins like ours", () => token({ payload: { aud: "keyhold-staging" } })],
  [
    "a list of other audiences",
    () => token({ payload: { aud: ["billing", "mail"] } }),
    () => token({ payload: { aud: ["billing", "keyhold"] } }),
  ],
  ["no expiry", () => token({ payload: { exp: undefined } })],
  ["an expiry in the past", () => token({ payload: { exp: now - 60 } })],
  ["an expiry in text", () => token({ payload: { exp: String(now + 600) } })],
  ["an expiry in milliseconds that passed long ago in seconds", () => token({ payload: { exp: -1 } })],
  [
    "a time before which it does not hold",
    () => token({ payload: { nbf: now + 120 } }),
    () => token({ payload: { nbf: now - 120 } }),
  ],
  ["no time of issue", () => token({ payload: { iat: undefined } })],
  [
    "a time of issue in the future",
    () => token({ payload: { iat: now + 120 } }),
    () => token({ payload: { iat: now + 5 } }),
  ],
  [
    "a time of issue hours ago and a late expiry",
    () => token({ payload: { iat: now - 7200 } }),
    () => token({ payload: { iat: now - 1800 } }),
  ],
  ["no subject", () => token({ payload: { sub: undefined } })],
  ["an empty subject", () => token({ payload: { sub: "" } })],
  ["a subject that is a number", () => token({ payload: { sub: 7 } })],
  [
    "a subject that is too long",
    () => token({ payload: { sub: "a".repeat(256) } }),
    () => token({ payload: { sub: "a".repeat(255) } }),
  ],
  ["a subject with a zero byte", () => token({ payload: { sub: "alice\0" } })],
  [
    "a subject with half a character",
    () => token({ payload: { sub: "alice\ud83d" } }),
    () => token({ payload: { sub: "alice\ud83d\ude00" } }),
  ],
  ["no tenant", () => token({ payload: { tenant_id: undefined } })],
  [
    "a tenant that the issuer may not speak for",
    () => token({ payload: { tenant_id: strange } }),
    () =>
      forge(
        { ...header, kid: otherKey.kid },
        { ...payload, iss: other, tenant_id: strange },
        signWith(otherKey),
      ),
  ],
  ["a tenant that is no id", () => token({ payload: { tenant_id: "*" } })],
  ["a list of tenants", () => token({ payload: { tenant_id: [tenant] } })],
  ["scopes that are no texts", () => token({ payload: { scope: [7] } })],
  [
    "an agent that says no in text",
    () => token({ payload: { agent: "false" } }),
    () => token({ payload: { agent: false } }),
  ],
  ["the claims in a list", () => forge(header, [payload], signed)],
  ...narrowings.map((claims): Forgery => [
    `the narrowing ${JSON.stringify(claims)}`,
    () => token({ payload: claims }),
    () => token({ payload: { credentials: [tenant], accounts: [], networks: ["10.0.0.0/8", "::1"] } }),
  ]),
];

const operator = { iss: operators, tenant_id: undefined, scope: "platform:tenants" };
export const operatorToken = (): string => token({ payload: operator });
const operatorClaims: readonly Forgery[] = [
  [
    "the operator's scope from an issuer that is not the operator's",
    () => token({ payload: { ...operator, iss: issuer } }),
    operatorToken,
  ],
  [
    "a scope that begins like the operator's",
    () => token({ payload: { ...operator, scope: "platform:tenants:read" } }),
    operatorToken,
  ],
  [
    "the operator's scope in capitals",
    () => token({ payload: { ...operator, scope: "PLATFORM:TENANTS" } }),
    operatorToken,
  ],
  [
    "credentials for the operator, who reaches none",
    () => token({ payload: { ...operator, credentials: [tenant] } }),
    () => token({ payload: { ...operator, networks: ["10.0.0.0/8"] } }),
  ],
  ["an agent as the operator", () => token({ payload: { ...operator, agent: true } }), operatorToken],
  [
    "a tenant from an issuer that speaks for none",
    () => token({ payload: { ...operator, tenant_id: tenant } }),
    operatorToken,
  ],
];

const types: readonly Forgery[] = [
  ["no typ", () => token({ header: { typ: undefined } })],
  [
    "the typ of an identity token",
    () => token({ header: { typ: "JWT" } }),
    () => token({ header: { typ: "application/at+jwt" } }),
  ],
  ["the typ of a logout token", () => token({ header: { typ: "logout+jwt" } })],
];

const json = (value: object): string => JSON.stringify(value);
const forms: readonly Forgery[] = [
  ["no text", () => ""],
  ["one part", () => validHeader],
  ["two parts", () => `${validHeader}.${validPayload}`],
  ["four parts", () => `${valid()}.${validSignature}`],
  ["the five parts of an encrypted token", () => `${validHeader}.${validPayload}.${validSignature}.a.b`],
  ["a signature that was cut", () => valid().slice(0, -4)],
  [
    "a signature of another token",
    () => `${validHeader}.${token({ payload: { sub: "mallory" } }).split(".")[1]}.${validSignature}`,
  ],
  [
    "a header that was written anew",
    () => `${Buffer.from(`${json(header)} `).toString("base64url")}.${validPayload}.${validSignature}`,
  ],
  [
    "a payload that was written anew",
    () => `${validHeader}.${Buffer.from(`${json(payload)} `).toString("base64url")}.${validSignature}`,
  ],
  ["a character that base64url does not have", () => `${valid().slice(0, -2)}+/`],
  [
    "more than 8 kB",
    () => token({ payload: { filler: "x".repeat(8192) } }),
    () => token({ payload: { filler: "x".repeat(4096) } }),
  ],
  ["a payload that is no JSON", () => forge(header, "{", signed)],
  [
    "a payload that is no UTF-8",
    () => forge(header, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), signed),
  ],
  ["a payload that is null", () => forge(header, "null", signed)],
  ["a header that is a list", () => forge([header], payload, signed)],
  [
    "two algorithms, the last of which is none",
    () => forge(duplicateAlgorithms("ES256", "none"), payload, signed),
  ],
  [
    "two issuers, the last of which is unknown",
    () => forge(header, `{"iss":"${issuer}",${json({ ...payload, iss: "x" }).slice(1)}`, signed),
  ],
];

function duplicateAlgorithms(first: string, last: string): Part {
  return `{"alg":"${first}","typ":"at+jwt","kid":"${ec.kid}","alg":"${last}"}`;
}

/** Tokens that must be refused, each with a twin that must be accepted and differs in nothing else that matters. */
export const forgedTokens = [
  ...algorithms,
  ...keyHeaders,
  ...claims,
  ...operatorClaims,
  ...types,
  ...forms,
].map(([name, forged, twin]) => ({ name, forged, twin: twin ?? valid }));
