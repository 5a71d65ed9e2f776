import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { sanitize } from '../output.ts'
import { findPeers, type Peer } from '../peers.ts'
import { chooseStack, peerRegionsOf, type Stack } from '../stack.ts'
import { alignmentText, ownVersion } from '../version.ts'

/**
 * Runs `version`: prints the versions of the command, of the stack, and of the stacks of its stage in other Regions, with the
 * settings in which those stacks differ. Any difference is a finding.
 */
export async function runVersionCommand(context: Context): Promise<ExitCode> {
  const { output, json } = context
  const command = ownVersion()
  const own = await chooseStack(context)
  const { name, stage, version } = own
  const agree = command === version
  const peers = await findPeers(context, own)
  const peersField = peerRegionsOf(own) && { peers }
  if (json) output.json({ command, stack: { name, stage, version }, agree, ...peersField })
  else {
    output.line(`command  ${command}`)
    output.line(`stack    ${sanitize(version)} (${sanitize(name)})`)
    if (!agree) output.line(`They are not the same: ${alignmentText(command, version, stage)}`)
    for (const peer of peers) printPeer(context, own, peer)
  }
  return agree && peers.every(peer => isLikeOwn(peer, own)) ? EXIT.done : EXIT.findings
}

/** Whether a peer has the version and the settings of the stack. A Region that cannot be asked counts as if it had. */
const isLikeOwn = (peer: Peer, { version }: Stack): boolean =>
  peer.state === 'unseen' || (peer.state === 'there' && peer.version === version && !peer.differences.length)

function printPeer({ output }: Context, { stage, version }: Stack, peer: Peer): void {
  const { region } = peer
  const deploy = `npx serverless deploy --stage ${sanitize(stage)} --param="region=${region}"`
  if (peer.state === 'unseen') {
    output.line(`peer     not known: ${region} cannot be asked: ${sanitize(peer.why)}`, 9)
    return
  }
  if (peer.state === 'missing') {
    output.line(
      `peer     ${region} has no stack of the stage ${sanitize(stage)}: ${deploy}, with the parameters of this one.`,
      9,
    )
    return
  }
  output.line(`peer     ${sanitize(peer.version) || 'older'} (${sanitize(peer.name)} in ${region})`, 9)
  if (peer.version !== version)
    output.line(`  its version is not that of the stack: ${deploy}, with the same parameters as before.`, 2)
  for (const { name, here, there } of peer.differences)
    output.line(
      `  differs: ${sanitize(name)} is ${settingText(here)} here and ${settingText(there)} there`,
      2,
    )
}

const settingText = (value: string | null) =>
  value === null ? 'not known' : value === '' ? 'unset' : sanitize(value)
