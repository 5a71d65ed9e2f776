import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { Application, type StoredValue } from './client/application.ts'
import { type Proof, proveRotated, proveUnchanged, sayProofs } from './client/proofs.ts'
import type { ValueStore } from './client/valueStores.ts'
import { runCommand } from './prerequisites.ts'
import { Progress } from './progress.ts'
import { formatPasswordLine, PASSWORD_FILE } from './sql.ts'
import { type Deployed, findLeaks, projectFolder, startDeployed } from './stack/deployed.ts'
import { prepareMachine } from './stack/prepare.ts'

// From here paths are short, as the path of a socket has to be.
process.chdir(projectFolder)
/** Is there as long as a run is; whoever connects to it asks that run to stop. */
const SOCKET_PATH = '.local/serve.sock'
const say = (line = '') => console.log(line)

/** Asks the run of this folder to stop as soon as it is up, and waits until it has. @returns false if there is none */
async function stopRunningStack(): Promise<boolean> {
  const connection = connect(SOCKET_PATH).resume()
  try {
    await once(connection, 'connect')
    await once(connection, 'close')
    return true
  } catch {
    return false
  }
}

/** Makes this the run of this folder, which has one certificate and one package of each function. */
async function claimFolder(): Promise<Server> {
  mkdirSync('.local', { recursive: true })
  for (;;) {
    const server = createServer().listen(SOCKET_PATH)
    try {
      await once(server, 'listening')
      return server
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      if (await stopRunningStack()) say('Stopped the run that was here before.')
      // Left by a run that was killed.
      else rmSync(SOCKET_PATH, { force: true })
    }
  }
}

type DeployedScene = {
  title: string
  shelf: ValueStore
  id: string
  expectedStatus: 'SUCCEEDED' | 'FAILED'
  expectedAnnouncement: string
  prove(application: Application, before: StoredValue): Promise<Proof[]>
}

async function makeScenes({ users, secrets, parameters }: Deployed): Promise<DeployedScene[]> {
  const admin = await users.makeAdmin('master')
  const succeeds = {
    expectedStatus: 'SUCCEEDED' as const,
    expectedAnnouncement: 'Credential Rotated',
    prove: proveRotated,
  }
  return [
    { ...succeeds, title: 'Single user', shelf: secrets, id: await users.enrol('shop') },
    {
      ...succeeds,
      title: 'Single user, in Parameter Store',
      shelf: parameters,
      id: await users.enrol('cart', { valueStore: parameters }),
    },
    {
      ...succeeds,
      title: 'Alternating users, with a grace time of one second',
      shelf: secrets,
      id: await users.enrol('billing', { admin, tags: { 'keyturn:grace': '1s' } }),
    },
    {
      title: 'A rotation whose test fails with the new password alone, after that was set',
      shelf: secrets,
      id: await users.enrol('orders', { failsOnceChanged: true }),
      expectedStatus: 'FAILED',
      expectedAnnouncement: 'Credential Rotation Failed',
      prove: proveUnchanged,
    },
  ]
}

async function play(
  { title, shelf, id, expectedStatus, ...scene }: DeployedScene,
  deployed: Deployed,
): Promise<boolean> {
  const application = new Application(shelf, id, deployed.postgres.caFile)
  const before = (await application.read()) as StoredValue
  const begun = performance.now()
  const { executionArn = '', status, cause } = await deployed.rotate(id, shelf)
  say(`\n${title}: ${status} after ${Math.round(performance.now() - begun)} ms`)
  if (cause) say(`   ${cause}`)
  const announced = (await deployed.waitForAnnouncements(executionArn)).map(event => event['detail-type'])
  const proofs: Proof[] = [
    [`the execution ended as it should: ${expectedStatus}`, status === expectedStatus],
    ...(await scene.prove(application, before)),
    [
      `the event "${scene.expectedAnnouncement}" arrived, once`,
      `${announced}` === scene.expectedAnnouncement,
    ],
  ]
  if (expectedStatus === 'SUCCEEDED') return sayProofs(proofs)
  const [alarm] = await deployed.alarms(executionArn)
  const holds = sayProofs([...proofs, ['an alarm arrived', alarm !== undefined]])
  if (alarm) say(`\n   ${alarm.Subject}\n\n${alarm.Message.trim().replaceAll(/^(?=.)/gm, '   ')}`)
  return holds
}

/** The name of a secret, out of its ARN, which ends with seven characters more. */
const nameIn = (arn = '') => arn.split(':').at(-1)?.slice(0, -7)

async function sayWhatToTry(deployed: Deployed, scenes: DeployedScene[]): Promise<void> {
  const { env, stateMachineArn, queueUrls, logFile } = deployed
  const variables = Object.entries(env).map(([name, value]) => `  export ${name}=${value}`)
  const [secret, parameter] = ['secrets-manager', 'parameter-store'].map(
    wanted => scenes.find(({ shelf }) => shelf.store === wanted)?.id,
  )
  // Version 1 of the command line does not take its endpoint from the environment for SQS.
  const receive = `aws sqs receive-message --endpoint-url ${env.AWS_ENDPOINT_URL} --queue-url`
  const { host, port, superuser } = deployed.postgres
  const [newcomer, itsAdmin] = ['newcomer', 'dba'].map(user => deployed.users.nameOf(user))
  const connection = `host=${host} port=${port} user=${superuser.user} dbname=postgres sslmode=verify-ca sslrootcert=.local/ca.pem`
  say(`
It stays up until Ctrl-C or \`npm run local:stop\`. In another terminal:

${variables.join('\n')}
  npx keyturn enrol secret:${newcomer} --strategy alternating-users --admin secret:${itsAdmin} --every 30d
  npx keyturn check secret:${newcomer}
  npx keyturn unenrol secret:${newcomer}
  npx keyturn rotate secret:${nameIn(secret)} parameter:${parameter}
  npx keyturn status
  npx keyturn history secret:${nameIn(secret)} --last
  npx keyturn events
  npx keyturn audit --html .local/audit.html
  npx keyturn cost --reads-per-day 100
  npx keyturn doctor
  aws ssm add-tags-to-resource --resource-type Parameter --resource-id ${parameter} --tags Key=keyturn:every,Value=1m
  npx keyturn rotate --all-due
  aws stepfunctions start-execution --state-machine-arn ${stateMachineArn} --input '${JSON.stringify({ store: 'secrets-manager', id: secret })}'
  aws secretsmanager get-secret-value --secret-id ${secret}
  aws secretsmanager rotate-secret --secret-id ${secret} --rotation-lambda-arn ${await deployed.readOutput('RotateSecretFunctionArn')} --rotation-rules 'ScheduleExpression=rate(10 days)'
  aws ssm get-parameter --with-decryption --name /aws/reference/secretsmanager/${nameIn(secret)}
  aws ssm get-parameter --with-decryption --name ${parameter}
  ${receive} ${queueUrls.announcements}
  ${receive} ${queueUrls.waitForAlarms}
  aws logs filter-log-events --log-group-name /aws/lambda/keyturn-local-setSecret
  npx serverless deploy --stage local --param=caFile=.local/ca.pem

In the database, as its superuser, ${superuser.user}, whose password is in ${PASSWORD_FILE}:

  npm run local:sql -- "select usename, valuntil from pg_user"
  PGPASSFILE=${PASSWORD_FILE} psql "${connection}"
`)
  if (logFile) say(`MiniStack's own log: ${logFile}`)
}

async function serve(): Promise<void> {
  say('Deploying Keyturn on this machine.')
  const progress = new Progress(say)
  const tell = (step: string) => progress.begin(step)
  // Before the run that may be here is asked to stop.
  await prepareMachine(tell)
  const server = await claimFolder()
  // Their connections stay open until this process ends.
  const asked = once(server, 'connection')
  const deployed = (await startDeployed({ tell })) as Deployed
  progress.end()
  const { host, port, superuser } = deployed.postgres
  writeFileSync(PASSWORD_FILE, formatPasswordLine(host, port, superuser.user, superuser.password), {
    mode: 0o600,
  })
  try {
    say(`Deployed at ${deployed.url} after ${progress.seconds} s.`)
    const all = await makeScenes(deployed)
    await deployed.users.makeUnmanaged('newcomer', 'dba')
    const proven: boolean[] = []
    for (const scene of all) proven.push(await play(scene, deployed))
    say('\nWhat AWS wrote down: execution histories, logs, events, alarms')
    proven.push(sayProofs([['no password is in it', (await findLeaks(deployed)).length === 0]]))
    if (proven.includes(false)) process.exitCode = 1
    await sayWhatToTry(deployed, all)
    await Promise.race([asked, once(process, 'SIGINT'), once(process, 'SIGTERM')])
  } finally {
    rmSync(PASSWORD_FILE, { force: true })
    await deployed.stop()
    server.close()
  }
}

if (process.argv[2] === 'stop') say((await stopRunningStack()) ? 'Stopped.' : 'Nothing runs here.')
else {
  await runCommand(serve)
  // Who asked us to stop waits for that.
  process.exit()
}
