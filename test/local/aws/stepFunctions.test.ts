import { readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DescribeExecutionCommand, SFNClient } from '@aws-sdk/client-sfn'
import { expect, test } from 'vitest'
import { startStepFunctions } from '../../../local/aws/stepFunctions.ts'
import { makeCertificate } from '../../../local/servers/certificate.ts'

test('Step Functions is served over HTTPS to clients that trust its certificate', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'keyturn-step-functions-'))
  const tls = await makeCertificate(folder.path)
  await using stack = new AsyncDisposableStack()
  const server = stack.adopt(await startStepFunctions({ tls }), ({ stop }) => stop())
  expect(server.url).toMatch(/^https:/)
  const describe = (httpsAgent: object) =>
    new SFNClient({
      endpoint: server.url,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      maxAttempts: 1,
      requestHandler: { httpsAgent },
    }).send(new DescribeExecutionCommand({ executionArn: 'none' }))
  await expect(describe({ ca: readFileSync(tls.caFile) })).rejects.toMatchObject({
    name: 'ExecutionDoesNotExist',
  })
  await expect(describe({})).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  expect(server.calls).toEqual([{ action: 'DescribeExecution' }])
})
