import { generateKeyPairSync } from "node:crypto";
import { createServer, type Server } from "node:http";
import { Provider } from "oidc-provider";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Authenticator } from "../../src/access/authenticate.ts";
import { Memberships } from "../../src/access/membership.ts";
import { nowhere } from "../../src/access/principal.ts";
import { createTokenVerifier, remoteIssuer, type VerifyToken } from "../../src/access/tokens.ts";
import { failureOf } from "../../src/access/unauthenticated.ts";
import { type ApiTenant, type ApiWorld, createApiWorld } from "../../testkit/api.ts";
import { listen } from "../../testkit/token-forge.ts";

const audience = "keyhold";
const client = { client_id: "desk", client_secret: "the secret of a client in a test" };

let api: ApiWorld;
let tenant: ApiTenant;
let server: Server;
let issuer: string;
let provider: Provider;
let verify: VerifyToken;

/** An identity provider whose signing key is of this id; another one at the same address is a rotation. */
function providerWith(kid: string): Provider {
  const key = {
    ...generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }),
    kid,
    use: "sig",
    alg: "EdDSA",
  };
  return new Provider(issuer, {
    clients: [
      {
        ...client,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: "client_secret_post",
        id_token_signed_response_alg: "EdDSA",
      },
    ],
    cookies: { keys: ["of no use here"] },
    jwks: { keys: [key] },
    ttl: { ClientCredentials: 600 },
    extraTokenClaims: () => ({ tenant_id: tenant.id }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:keyhold",
        getResourceServerInfo: () => ({
          audience,
          scope: "credentials:read",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "EdDSA" } },
        }),
      },
    },
  });
}

async function fetchToken(): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({ ...client, grant_type: "client_credentials", scope: "credentials:read" }),
  });
  const body: unknown = await response.json();
  return Object.assign({ access_token: "" }, body).access_token;
}

beforeAll(async () => {
  api = await createApiWorld();
  tenant = await api.createTenant();
  server = createServer((request, response) => provider.callback()(request, response));
  issuer = await listen(server);
  provider = providerWith("first");
  verify = createTokenVerifier([
    remoteIssuer({
      issuer,
      jwks_uri: undefined,
      audience,
      algorithms: ["EdDSA"],
      tenants: [tenant.id],
      operator: false,
      typ: "at+jwt",
      max_age_seconds: 3600,
    }),
  ]);
});
afterAll(async () => {
  server.close();
  await api.close();
});

describe("a real identity provider", () => {
  it("is found by its metadata, and its access tokens let its subjects in as the members they are", async () => {
    const authenticator = new Authenticator(verify, new Memberships(api.world.database.app, api.world.prove));
    const authorization = `Bearer ${await fetchToken()}`;
    const before = await authenticator.authenticate(authorization, nowhere).catch(failureOf);
    await tenant.owner.post("/api/v1/members", { issuer, subject: client.client_id, role: "viewer" });
    const later = new Authenticator(verify, new Memberships(api.world.database.app, api.world.prove));

    expect(before).toBe("membership");
    expect(await later.authenticate(authorization, nowhere)).toMatchObject({
      kind: "member",
      tenantId: tenant.id,
      role: "viewer",
      scopes: new Set(["credentials:read"]),
      agent: false,
    });
  });

  it("may change its signing key: the new one counts half a minute later, the old one soon no more", async () => {
    const old = await fetchToken();
    await verify(old);
    provider = providerWith("second");
    const rotated = await fetchToken();
    vi.setSystemTime(Date.now() + 30_000);

    expect(await verify(rotated)).toMatchObject({ subject: client.client_id });
    expect(await verify(old).catch(failureOf)).toBe("signature");
    vi.useRealTimers();
  });

  it("is not believed for another tenant", async () => {
    const other = await api.createTenant();
    const own = tenant;
    tenant = other;
    const token = await fetchToken();
    tenant = own;

    expect(await verify(token).catch(failureOf)).toBe("tenant");
  });
});
