import type { StackResource } from '../../fleet/stackResources.ts'
import { type Call, parseRequest } from '../../local/aws/audited/request.ts'
import { resourcesXml, stackXml } from '../../local/aws/audited/stacks.ts'
import { elements, errorXml, responseXml } from '../../local/aws/audited/xml.ts'
import { serveHttp } from '../../local/aws/localService.ts'
import type { DescribedStack } from './account.ts'

type Refusal = { name: string; message?: string }

/** A server that plays CloudFormation with one stack and its resources, in front of an emulator of the other services. */
export type Deployment = {
  /** The value of AWS_ENDPOINT_URL. */
  url: string
  stacks: DescribedStack[]
  resources: [logicalId: string, type: string, id: string][]
  calls: Pick<Call, 'service' | 'action'>[]
  /** From now on `rule` may refuse each call. Without a rule, calls are answered again. */
  refuse(rule?: (call: Pick<Call, 'service' | 'action'>) => Refusal | undefined): void
  stop(): Promise<void>
}

/** How many resources a page has: so few that a command that reads only the first page misses some. */
const RESOURCES_PER_PAGE_COUNT = 5

const resourceOf = ([logicalId, type, id]: Deployment['resources'][number]): StackResource => ({
  ...{ logicalId, type, id },
})

/** @param behind the URL of an emulator, which answers all calls except CloudFormation's */
export async function startDeployment(behind: string): Promise<Deployment> {
  let rule: Parameters<Deployment['refuse']>[0]
  const served = await serveHttp(async (incoming, outgoing) => {
    const body = Buffer.concat(await incoming.toArray()).toString()
    const { service, region, action, protocol, input } = parseRequest(incoming, body)
    deployment.calls.push({ service, action })
    const refusal = rule?.({ service, action })
    if (refusal) {
      const { name, message = name } = refusal
      const text = protocol === 'query' ? errorXml(name, message) : JSON.stringify({ __type: name, message })
      outgoing.writeHead(400, { 'x-amzn-errortype': name }).end(text)
    } else if (service === 'cloudformation') {
      const here = deployment.stacks.filter(stack => stack.region === undefined || stack.region === region)
      const result =
        action === 'DescribeStacks'
          ? elements('Stacks', here.map(stackXml))
          : resourcesXml(deployment.resources.map(resourceOf), input.NextToken, RESOURCES_PER_PAGE_COUNT)
      outgoing.writeHead(200, { 'content-type': 'text/xml' }).end(responseXml(action, result))
    } else {
      const { host, 'content-length': _, connection, expect, ...headers } = incoming.headers
      const { method = 'POST', url = '/' } = incoming
      const answer = await fetch(new URL(url, behind), {
        method,
        headers: headers as Record<string, string>,
        ...(method !== 'GET' && { body }),
      })
      const kept = [...answer.headers].filter(([name]) => /^(content-type|x-amz)/.test(name))
      outgoing.writeHead(answer.status, Object.fromEntries(kept)).end(Buffer.from(await answer.arrayBuffer()))
    }
  })
  const deployment: Deployment = {
    ...served,
    stacks: [],
    resources: [],
    calls: [],
    refuse: next => {
      rule = next
    },
  }
  return deployment
}
