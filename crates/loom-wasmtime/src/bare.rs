//! The least any host has to do to call a guest: what the sandbox's own path is measured against.

use wasmtime::{Engine, InstancePre, Linker, Module, Result, Store, TypedFunc};

use crate::Settings;

/// An AssemblyScript module called without limits, contract checks or typed errors: fresh store, instance,
/// string in, string out.
pub struct Bare {
    engine: Engine,
    instance: InstancePre<()>,
}

impl Bare {
    /// Compiles the module with the sandbox's own engine configuration.
    pub fn new(settings: &Settings, bytes: &[u8]) -> Result<Self> {
        let engine = Engine::new(&crate::engine::configuration(settings))?;
        let module = Module::from_binary(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap("env", "abort", |_: i32, _: i32, _: i32, _: i32| {})?;
        Ok(Self { instance: linker.instantiate_pre(&module)?, engine })
    }

    /// Calls `execute` in a fresh instance.
    pub fn call(&self, input: &str) -> Result<String> {
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(u64::MAX)?;
        let instance = self.instance.instantiate(&mut store)?;
        let new: TypedFunc<(i32, i32), i32> = instance.get_typed_func(&mut store, "__new")?;
        let execute: TypedFunc<i32, i32> = instance.get_typed_func(&mut store, "execute")?;
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| wasmtime::Error::msg("no memory"))?;
        let units: Vec<u8> = input.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let at = new.call(&mut store, (units.len() as i32, 2))?;
        memory.write(&mut store, at as usize, &units)?;
        let output = execute.call(&mut store, at)? as usize;
        let data = memory.data(&store);
        let length = data
            .get(output - 4..output)
            .map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let units: Vec<u16> = data
            .get(output..output + length as usize)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .collect();
        Ok(String::from_utf16_lossy(&units))
    }
}
