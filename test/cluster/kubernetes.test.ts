import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { shipped } from "../../testkit/cluster/configuration.ts";
import { findVault, startVault, type TestVault } from "../../testkit/vault.ts";
import {
  excesses,
  find,
  manifestFiles,
  type Pod,
  podOfNodes,
  podOfSnapshots,
  readYaml,
} from "./manifests.ts";

const nodeLabels = { "app.kubernetes.io/name": "openbao", "app.kubernetes.io/component": "node" };

describe("on Kubernetes", () => {
  test("every file is applied, and every image has the version that is named once", () => {
    const [kustomization] = readYaml("kubernetes", "kustomization.yaml");
    const image = { name: "quay.io/openbao/openbao", newTag: expect.stringMatching(/^\d+\.\d+\.\d+$/) };
    expect(kustomization).toMatchObject({ namespace: "openbao", images: [image] });
    expect(kustomization).toMatchObject({ resources: ["../config", "../scripts", ...ordered] });
    expect([...ordered].sort()).toEqual(manifestFiles);
    const images = [podOfNodes(), podOfSnapshots()].flatMap((pod) => pod.containers).map((it) => it.image);
    expect(new Set(images)).toEqual(new Set([image.name]));
  });

  test("three nodes run on three hosts, in three zones where there are, and two of them stay", () => {
    const others = { labelSelector: { matchLabels: nodeLabels } };
    const affinity = {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: "kubernetes.io/hostname", ...others },
        ],
        preferredDuringSchedulingIgnoredDuringExecution: [
          { podAffinityTerm: { topologyKey: "topology.kubernetes.io/zone", ...others } },
        ],
      },
    };
    expect(find("StatefulSet", "openbao")).toMatchObject({
      spec: {
        replicas: 3,
        podManagementPolicy: "Parallel",
        updateStrategy: { type: "OnDelete" },
        selector: { matchLabels: nodeLabels },
        template: { metadata: { labels: nodeLabels }, spec: { affinity } },
      },
    });
    const budget = { spec: { maxUnavailable: 1, selector: { matchLabels: nodeLabels } } };
    expect(find("PodDisruptionBudget", "openbao")).toMatchObject(budget);
  });

  test("nodes find each other by names that their certificate has, also before they are ready", () => {
    const config = readFileSync(join(shipped, "config", "node.hcl"), "utf8");
    const joined = [...config.matchAll(/leader_api_addr\s+= "(.*)"/g)].map(([, address]) => address);
    const own = nodeContainer().env.find(({ name }) => name === "BAO_API_ADDR")?.value ?? "";
    expect([0, 1, 2].map((at) => own.replace("$(POD_NAME)", `openbao-${at}`))).toEqual(joined);
    const headless = { clusterIP: "None", publishNotReadyAddresses: true, selector: nodeLabels };
    expect(find("Service", "openbao-internal")).toMatchObject({ spec: headless });
    const active = { selector: { ...nodeLabels, "openbao-active": "true" } };
    expect(find("Service", "openbao-active")).toMatchObject({ spec: active });
    const dnsNames = ["*.openbao-internal.openbao.svc", "openbao-active.openbao.svc", "localhost"];
    expect(find("Certificate", "openbao-tls")).toMatchObject({
      spec: { secretName: "openbao-tls", dnsNames },
    });
  });

  test("no pod is given more than it needs", () => {
    expect([...excesses(podOfNodes()), ...excesses(podOfSnapshots())]).toEqual([]);
  });

  test.each<[string, (pod: Pod) => object]>([
    ["openbao: privileged", (pod) => ({ containers: [altered(pod, { privileged: true })] })],
    [
      "openbao: capabilities",
      (pod) => ({ containers: [altered(pod, { capabilities: { add: ["IPC_LOCK"] } })] }),
    ],
    ["pod: runAsNonRoot", () => ({ securityContext: { seccompProfile: { type: "RuntimeDefault" } } })],
    ["pod: hostPID", () => ({ hostPID: true })],
    ["data: hostPath", () => ({ volumes: [{ name: "data", hostPath: { path: "/" } }] })],
  ])("more than that would be found: %s", (excess, change) => {
    const pod = podOfNodes();
    expect(excesses({ ...pod, ...change(pod) })).toEqual([excess]);
  });

  test("data, both audit logs and the seal's key lie on volumes of their own", () => {
    const claims = z
      .object({
        spec: z.object({
          volumeClaimTemplates: z.array(z.object({ metadata: z.object({ name: z.string() }) })),
        }),
      })
      .parse(find("StatefulSet", "openbao"))
      .spec.volumeClaimTemplates.map(({ metadata }) => metadata.name);
    expect(claims).toEqual(["data", "audit", "audit-spare"]);
    const places = Object.fromEntries(
      nodeContainer().volumeMounts.map(({ name, mountPath }) => [name, mountPath]),
    );
    for (const name of [...claims, "config", "tls", "seal"]) expect(places[name]).toBe(`/openbao/${name}`);
    const seal = podOfNodes().volumes.find(({ name }) => name === "seal");
    expect(seal).toMatchObject({ secret: { secretName: "openbao-seal" } });
  });

  test("nobody reaches the nodes but Keyhold, each other, snapshots, and Prometheus at the metrics alone", () => {
    expect(find("NetworkPolicy", "nothing-else")).toMatchObject({
      spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
    });
    const { ingress } = z
      .object({
        spec: z.object({
          ingress: z.array(z.object({ from: z.array(z.unknown()), ports: z.array(z.unknown()) })),
        }),
      })
      .parse(find("NetworkPolicy", "openbao")).spec;
    const from = (namespace: string, name: string) => ({
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
      podSelector: { matchLabels: { "app.kubernetes.io/name": name } },
    });
    const ours = { podSelector: { matchLabels: { "app.kubernetes.io/name": "openbao" } } };
    expect(ingress).toEqual([
      { from: [from("keyhold", "keyhold"), ours], ports: [{ port: "https" }] },
      { from: [{ podSelector: { matchLabels: nodeLabels } }], ports: [{ port: "cluster" }] },
      { from: [from("monitoring", "prometheus")], ports: [{ port: "metrics" }] },
    ]);
  });

  test("a snapshot is saved every night, by an account that may do nothing else", () => {
    expect(find("CronJob", "openbao-snapshot")).toMatchObject({
      spec: { schedule: expect.stringMatching(/^\d+ \d+ \* \* \*$/), concurrencyPolicy: "Forbid" },
    });
    const { serviceAccountName } = podOfSnapshots();
    expect(readRole("snapshot-kubernetes")).toMatchObject({
      bound_service_account_names: [serviceAccountName],
      bound_service_account_namespaces: ["openbao"],
      token_policies: ["snapshot"],
      token_no_default_policy: true,
    });
    expect(readRole("keyhold-kubernetes")).toMatchObject({
      token_policies: ["keyhold-service", "keyhold-transit"],
      token_no_default_policy: true,
      token_max_ttl: "1h",
    });
  });
});

const program = findVault();

describe.skipIf(program === null)("the probes of Kubernetes", () => {
  let vault: TestVault;
  let agent: Agent;
  beforeAll(async () => {
    vault = await startVault(program ?? "");
    agent = new Agent({ connect: { ca: vault.ca } });
  });
  afterAll(async () => {
    await agent?.destroy();
    await vault?.stop();
  });

  async function isWell(kind: "readinessProbe" | "livenessProbe"): Promise<boolean> {
    const { scheme, port, path } = nodeContainer()[kind]?.httpGet ?? {};
    expect([scheme, port]).toEqual(["HTTPS", "https"]);
    const { statusCode, body } = await request(`${vault.address}${path}`, { dispatcher: agent });
    await body.dump();
    return statusCode >= 200 && statusCode < 400;
  }

  test("leave a sealed node alone, and send nobody there", async () => {
    expect([await isWell("readinessProbe"), await isWell("livenessProbe")]).toEqual([true, true]);
    await vault.seal();
    expect([await isWell("readinessProbe"), await isWell("livenessProbe")]).toEqual([false, true]);
    await vault.unseal();
    expect(await isWell("readinessProbe")).toBe(true);
    const asked = new URLSearchParams(nodeContainer().livenessProbe?.httpGet.path.split("?")[1]);
    expect(asked.get("uninitcode")).toBe("204");
  });
});

const ordered = [
  "namespace.yaml",
  "accounts.yaml",
  "certificates.yaml",
  "services.yaml",
  "nodes.yaml",
  "network.yaml",
  "snapshots.yaml",
];

function nodeContainer(): Pod["containers"][number] {
  const [first] = podOfNodes().containers;
  if (first?.name !== "openbao") throw new Error("the first container is the node");
  return first;
}

function altered({ containers: [first] }: Pod, change: object): object {
  return { ...first, securityContext: { ...first?.securityContext, ...change } };
}

function readRole(name: string): unknown {
  return JSON.parse(readFileSync(join(shipped, "roles", `${name}.json`), "utf8"));
}
