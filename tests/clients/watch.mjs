// Xen Orchestra's client: connects, watches objects, changes a record, and tells what it saw, one JSON object a line.

import { createClient } from 'xen-api'

const say = data => console.log(JSON.stringify(data))
const [url] = process.argv.slice(2)
const xapi = createClient({ url, auth: { user: 'root', password: '' }, allowUnauthorized: true, watchEvents: ['pool', 'VM', 'VIF', 'network'] })

await xapi.connect()
await xapi.objectsFetched
const vif = Object.values(xapi.objects.all).find(object => object.$type === 'VIF')
say({ pool: xapi.pool.name_label, vm: vif.$VM.name_label, network: vif.$network.name_label, record: vif.other_config.ringfence })

const changed = async line => {
  while (xapi.getObject(vif.$id).other_config.ringfence !== line) {
    await new Promise(resolve => xapi.objects.once('finish', resolve))
  }
  say({ seen: line })
}

await Promise.all([changed('mode=isolated groups=blue'), vif.update_other_config('ringfence', 'mode=isolated groups=blue')])
await xapi.barrier(vif.$ref)
say({ barrier: true })
say({ ready: true })
await changed('mode=locked') // from another client
try {
  await xapi.call('VIF.set_locking_mode', vif.$ref, 'isolated')
} catch (error) {
  say({ code: error.code })
}
await xapi.disconnect()
say({ status: xapi.status })
