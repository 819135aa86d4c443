import { until } from "../until.ts";
import { accepted, type Answer, type Api, type Call, textAt } from "./api.ts";
import type { Program } from "./program.ts";
import type { Server } from "./server.ts";
import type { Login } from "./set-up.ts";
import { findLeader, waitForVoters } from "./voters.ts";

type Parts = Readonly<{
  program: Program;
  folder: string;
  nodes: readonly Server[];
  api: Api;
  /** The authority of the nodes' certificates, PEM. */
  ca: string;
  rootToken: string;
  login: Login;
  /** Ends what was started, and removes what was temporary. */
  end: () => Promise<void>;
}>;

/** Three nodes that run, set up for Keyhold. */
export class Cluster implements AsyncDisposable {
  readonly program: Program;
  readonly folder: string;
  readonly nodes: readonly Server[];
  readonly ca: string;
  readonly rootToken: string;
  readonly login: Login;
  readonly #api: Api;
  readonly #end: () => Promise<void>;

  constructor(parts: Parts) {
    this.program = parts.program;
    this.folder = parts.folder;
    this.nodes = parts.nodes;
    this.ca = parts.ca;
    this.rootToken = parts.rootToken;
    this.login = parts.login;
    this.#api = parts.api;
    this.#end = parts.end;
  }

  get addresses(): readonly string[] {
    return this.nodes.map(({ address }) => address);
  }

  /** The variables with which Keyhold keeps its secrets here, and its key-encryption key too. */
  get environment(): Readonly<Record<string, string>> {
    return {
      KEYHOLD_STORES: "vault",
      KEYHOLD_KEYS: "transit",
      KEYHOLD_VAULT_ADDRESSES: this.addresses.join(","),
      KEYHOLD_VAULT_CA_FILE: this.login.caFile,
      KEYHOLD_VAULT_AUTH: "approle",
      KEYHOLD_VAULT_ROLE_ID: this.login.roleId,
      KEYHOLD_VAULT_SECRET_ID_FILE: this.login.secretIdFile,
    };
  }

  /** Waits until a node leads. */
  leader(): Promise<Server> {
    return findLeader(this.#api, this.nodes);
  }

  /** Waits until so many nodes may each be lost or lead. Newly joined ones become voters some ten seconds after they came. */
  waitForVoters(count = this.nodes.length): Promise<void> {
    return waitForVoters(this.#api, this.nodes, count, this.rootToken);
  }

  /**
   * Calls the HTTP API of whichever node leads, as root unless a token is given. While none answers it tries again, so what is sent
   * must be safe to send twice.
   */
  async arrange(
    method: Call["method"],
    path: string,
    body?: object,
    { token = this.rootToken, namespace }: Readonly<{ token?: string; namespace?: string }> = {},
  ): Promise<Answer> {
    return until(`an answer to ${method} ${path}`, async () => {
      const { address } = await this.leader();
      const call = { method, path, token, namespace, body };
      const answer = await this.#api.call(address, call, 15_000).catch(() => null);
      return answer === null || isLosingLead(answer) ? null : answer;
    });
  }

  /** Another secret for Keyhold's role; those before it stay valid. */
  async newSecretId(): Promise<string> {
    const path = "auth/approle/role/keyhold/secret-id";
    return textAt(accepted(await this.arrange("POST", path, {})), "data", "secret_id");
  }

  /** Ends every server. A folder that was given stays, and can be started on again. */
  stop(): Promise<void> {
    return this.#end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** What a node answers when it stopped leading a moment ago, or does not quite yet. */
function isLosingLead({ status, body }: Answer): boolean {
  if (status === 307 || status === 503) return true;
  return status === 500 && JSON.stringify(body).includes("node not active");
}
