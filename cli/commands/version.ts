import type { Context } from '../context.ts'
import { type ExitCode, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { type Peer, peersIn } from '../peers.ts'
import { peersOf, type Stack, stackOf } from '../stack.ts'
import { alignment, ownVersion } from '../version.ts'

/**
 * Prints the versions of the command, of the stack, and of the stacks of its stage in other Regions; a finding if they are not
 * the same, or if those stacks differ otherwise.
 */
export async function version(context: Context): Promise<ExitCode> {
  const { output, json } = context
  const command = ownVersion()
  const own = await stackOf(context)
  const { name, stage, version } = own
  const agree = command === version
  const peers = await peersIn(context, own)
  const told = peersOf(own) && { peers }
  if (json) output.json({ command, stack: { name, stage, version }, agree, ...told })
  else {
    output.line(`command  ${command}`)
    output.line(`stack    ${plain(version)} (${plain(name)})`)
    if (!agree) output.line(`They are not the same: ${alignment(command, version, stage)}`)
    for (const peer of peers) showPeer(context, own, peer)
  }
  return agree && peers.every(peer => isAsOurs(peer, own)) ? exit.done : exit.findings
}

/** A Region that cannot be asked is no finding: nothing is known of it. */
const isAsOurs = (peer: Peer, { version }: Stack): boolean =>
  peer.state === 'unseen' || (peer.state === 'there' && peer.version === version && !peer.differences.length)

function showPeer({ output }: Context, { stage, version }: Stack, peer: Peer): void {
  const { region } = peer
  const deploy = `npx serverless deploy --stage ${plain(stage)} --param="region=${region}"`
  if (peer.state === 'unseen') {
    output.line(`peer     not known: ${region} cannot be asked: ${plain(peer.why)}`, 9)
    return
  }
  if (peer.state === 'missing') {
    output.line(
      `peer     ${region} has no stack of the stage ${plain(stage)}: ${deploy}, with what this one has.`,
      9,
    )
    return
  }
  output.line(`peer     ${plain(peer.version) || 'older'} (${plain(peer.name)} in ${region})`, 9)
  if (peer.version !== version) output.line(`  its version is not that of the stack: ${deploy}`, 2)
  for (const { name, here, there } of peer.differences)
    output.line(`  differs: ${plain(name)} is ${said(here)} here and ${said(there)} there`, 2)
}

const said = (value: string | null) => (value === null ? 'not told' : value === '' ? 'unset' : plain(value))
