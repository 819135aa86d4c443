import type { App } from "./app.ts";
import type { Config } from "./config/config.ts";
import { version } from "./version.ts";

/** The facts of a started service for its operator: what it runs on, and what to do next. */
export type StartFacts = Readonly<{
  version: string;
  database: string;
  stores: string;
  keys: string;
  issuers: string;
  address: string;
  metrics: string;
  next: string;
}>;

/** `isNew`: there is no tenant yet. */
export function describeStart(app: App, config: Config, isNew: boolean): StartFacts {
  const { issuers } = config.access;
  const names = issuers.map(({ issuer }) => issuer);
  return {
    version: version(),
    database: app.database,
    stores: config.stores.order.join(", "),
    keys: config.keys.order.map((kind) => (kind === "file" ? `the file ${config.keyFile}` : kind)).join(", "),
    issuers: [...names, ...(app.localIssuer === null ? [] : ["its own, for trying things out"])].join(", "),
    address: app.url ?? "none: a worker answers no requests",
    metrics: app.metricsUrl,
    next: nextStep(app, isNew),
  };
}

function nextStep({ url, localIssuer, newKeyFile }: App, isNew: boolean): string {
  const backUp = newKeyFile === null ? "" : `Back up ${newKeyFile}, apart from the database. `;
  if (url === null) return `${backUp}Nothing: it does scheduled work.`;
  if (!isNew) return `${backUp}The API is described at ${url}/docs.`;
  const from = url === "http://127.0.0.1:7070" ? "" : `KEYHOLD_URL=${url} `;
  const key = localIssuer === null ? "operator-key create" : "token --operator";
  return `${backUp}Open the first tenant: set KEYHOLD_TOKEN to what \`npx keyhold ${key}\` prints, and run \`${from}npx keyhold tenant create NAME --owner SUBJECT\`. The API is described at ${url}/docs.`;
}

/** For a person at a terminal. */
export function bannerOf({ version: number, ...facts }: StartFacts): string {
  const rows = Object.entries(facts).map(([name, value]) => `  ${name.padEnd(9)} ${value}\n`);
  return `\nKeyhold ${number}\n${rows.join("")}\n`;
}
