import { once } from "node:events";
import { createServer } from "node:https";
import { Agent, request } from "undici";
import { describe, expect, test } from "vitest";
import { issueCertificate, makeAuthority } from "../../testkit/cluster/certificates.ts";

const authority = makeAuthority("an authority");

/** What a client that trusts only `ca` gets from a server with this certificate, asked by this host name. */
async function ask(
  certificate: Readonly<{ certificate: string; key: string }>,
  ca: string,
  host = "127.0.0.1",
): Promise<string> {
  const server = createServer({ cert: certificate.certificate, key: certificate.key }, (_, response) =>
    response.end("hello"),
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const agent = new Agent({ connect: { ca } });
  try {
    const { body } = await request(`https://${host}:${port}`, { dispatcher: agent });
    return await body.text();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  } finally {
    await agent.destroy();
    server.close();
  }
}

describe("a certificate that an authority of the run issues", () => {
  test("is trusted by who trusts the authority, for each of its hosts", async () => {
    const issued = issueCertificate(authority, "node-1", ["127.0.0.1", "localhost"]);
    expect(await ask(issued, authority.certificate)).toBe("hello");
    expect(await ask(issued, authority.certificate, "localhost")).toBe("hello");
  });

  test("is not for another host", async () => {
    const issued = issueCertificate(authority, "node-1", ["127.0.0.2", "localhost"]);
    expect(await ask(issued, authority.certificate)).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  });

  test("is not trusted by who trusts another authority, even one of the same name", async () => {
    const issued = issueCertificate(authority, "node-1", ["127.0.0.1"]);
    expect(await ask(issued, makeAuthority("an authority").certificate)).toMatch(/CERT|ISSUER|SIGNATURE/);
  });

  test("cannot issue others", async () => {
    const issued = issueCertificate(authority, "node-1", ["127.0.0.1"]);
    const forged = issueCertificate(issued, "node-2", ["127.0.0.1"]);
    const chain = { key: forged.key, certificate: forged.certificate + issued.certificate };
    expect(await ask(chain, authority.certificate)).not.toBe("hello");
  });
});
